//! Who may know whom: the table of `docs/architecture.md`, held by a test that names file and edge.
//!
//! A row says what the files of a module must never name, by path. It is read from the source text, so a path counts
//! wherever it stands, in a `use` or in the middle of a function; comments do not.

use std::fs;
use std::path::{Path, PathBuf};

/// A module (a file, or a folder with all that is in it) and the paths that it must never name.
struct Row {
    module: &'static str,
    never: &'static [&'static [&'static str]],
}

/// What only `wire` names: the settings, and whoever is started by them.
const ENDS: &[&str] = &["crate::settings", "crate::wire", "crate::cli", "crate::worker", "crate::queue"];
/// The adapters, and the crates that only they know.
const ADAPTERS: &[&str] =
    &["crate::engine::docker", "crate::aws", "bollard", "aws_config", "aws_types", "git2", "oci_client"];
/// The terminal.
const TERMINAL: &[&str] = &["indicatif", "console", "comfy_table", "clap", "std::io::stdout", "std::io::stderr"];
/// The texts that plans are made from.
const TEXTS: &[&str] = &["pipeline_spec::yaml", "pipeline_spec::buildspec", "pipeline_spec::pipeline"];
/// What happens, and who is told.
const EVENTS: &[&str] = &["crate::event", "crate::state", "crate::recorder", "crate::sink", "crate::report"];
/// The interpreter of plans.
const RUN: &[&str] = &["crate::run"];

const TABLE: &[Row] = &[
    // The vocabulary and its fold know neither time nor I/O, nor who listens.
    Row {
        module: "event",
        never: &[
            ENDS,
            ADAPTERS,
            TERMINAL,
            TEXTS,
            RUN,
            &["crate::clock", "crate::sink", "crate::store", "tokio", "std::fs"],
        ],
    },
    Row {
        module: "state",
        never: &[
            ENDS,
            ADAPTERS,
            TERMINAL,
            TEXTS,
            RUN,
            &["crate::clock", "crate::sink", "crate::store", "tokio", "std::fs"],
        ],
    },
    // The recorder hands out; it knows no output by name.
    Row {
        module: "recorder",
        never: &[ENDS, ADAPTERS, TERMINAL, TEXTS, RUN, &["crate::engine", "crate::sink::console", "crate::report"]],
    },
    Row { module: "run", never: &[ENDS, ADAPTERS, TERMINAL, TEXTS, &["crate::sink"]] },
    Row {
        module: "engine",
        never: &[
            ENDS,
            EVENTS,
            RUN,
            TERMINAL,
            TEXTS,
            &[
                "crate::aws",
                "crate::gate",
                "crate::deploy",
                "crate::store",
                "pipeline_spec::plan::Plan",
                "pipeline_spec::plan::Stage",
                "pipeline_spec::plan::Phase",
            ],
        ],
    },
    Row {
        module: "source",
        never: &[
            ENDS,
            EVENTS,
            RUN,
            TERMINAL,
            TEXTS,
            &["crate::engine", "crate::store", "crate::artifact", "crate::deploy"],
        ],
    },
    Row {
        module: "artifact",
        never: &[ENDS, EVENTS, RUN, TERMINAL, TEXTS, &["crate::engine", "crate::store", "crate::source"]],
    },
    Row {
        module: "cache",
        never: &[ENDS, EVENTS, RUN, TERMINAL, TEXTS, &["crate::engine", "crate::store", "crate::source"]],
    },
    // Shelves know it, and it knows none of them.
    Row {
        module: "disk",
        never: &[
            ENDS,
            ADAPTERS,
            EVENTS,
            RUN,
            TERMINAL,
            TEXTS,
            &["crate::engine", "crate::store", "crate::source", "crate::cache", "crate::image", "crate::clock"],
        ],
    },
    Row {
        module: "secret",
        never: &[ENDS, EVENTS, RUN, TERMINAL, TEXTS, &["crate::engine", "crate::store", "crate::deploy"]],
    },
    Row {
        module: "image",
        never: &[ENDS, EVENTS, RUN, TERMINAL, TEXTS, &["crate::store", "crate::deploy", "crate::gate"]],
    },
    Row {
        module: "gate",
        never: &[ENDS, EVENTS, RUN, TERMINAL, TEXTS, &["crate::engine", "crate::deploy", "pipeline_spec::plan::Stage"]],
    },
    Row {
        module: "deploy",
        never: &[
            ENDS,
            EVENTS,
            RUN,
            TERMINAL,
            TEXTS,
            &["crate::engine", "crate::image", "crate::source", "crate::store"],
        ],
    },
    // Logs are sent from files; what wrote them, and why, is not known.
    Row {
        module: "logs",
        never: &[
            ENDS,
            EVENTS,
            RUN,
            TERMINAL,
            TEXTS,
            &[
                "bollard",
                "git2",
                "crate::engine",
                "crate::source",
                "crate::store",
                "crate::artifact",
                "crate::image",
                "crate::deploy",
                "crate::gate",
                "crate::secret",
                "crate::mask",
            ],
        ],
    },
    // The store keeps events and knows of them only what it sorts by.
    Row {
        module: "store",
        never: &[
            ENDS,
            RUN,
            TERMINAL,
            TEXTS,
            &["bollard", "git2", "crate::engine", "crate::sink", "crate::report", "crate::recorder"],
        ],
    },
    // What is kept on one machine knows no AWS; the ledgers do not know what jobs are.
    Row { module: "store/mod", never: &[ADAPTERS, &["aws_sdk_dynamodb"]] },
    Row { module: "store/folders", never: &[ADAPTERS, &["aws_sdk_dynamodb"]] },
    Row { module: "store/ledger", never: &[EVENTS] },
    Row { module: "store/ledger/sqlite", never: &[ADAPTERS, &["aws_sdk_dynamodb"]] },
    // Outputs are derived from events alone.
    Row { module: "sink", never: &[ENDS, ADAPTERS, RUN, TEXTS, &["crate::engine", "pipeline_spec::plan"]] },
    Row {
        module: "report",
        never: &[ENDS, ADAPTERS, RUN, TEXTS, &["crate::engine", "pipeline_spec::plan", "tokio", "crate::clock"]],
    },
    Row {
        module: "queue",
        never: &[RUN, EVENTS, TERMINAL, TEXTS, &["crate::engine", "crate::settings", "crate::wire", "crate::cli"]],
    },
    Row { module: "worker", never: &[ADAPTERS, TERMINAL, TEXTS, &["crate::settings", "crate::wire", "crate::cli"]] },
    // Pipelines as JSON: no build, no event, no terminal.
    Row {
        module: "migrate",
        never: &[
            EVENTS,
            RUN,
            TERMINAL,
            TEXTS,
            &[
                "crate::settings",
                "crate::wire",
                "crate::cli",
                "crate::worker",
                "crate::engine",
                "crate::store",
                "bollard",
                "git2",
            ],
        ],
    },
    // Text from orders: nothing is called, and nothing of this machine is known.
    Row {
        module: "setup",
        never: &[
            ADAPTERS,
            EVENTS,
            RUN,
            TERMINAL,
            TEXTS,
            &[
                "crate::settings",
                "crate::wire",
                "crate::cli",
                "crate::worker",
                "crate::engine",
                "crate::store",
                "crate::clock",
                "tokio",
            ],
        ],
    },
    // Leaves.
    Row {
        module: "fault",
        never: &[ENDS, ADAPTERS, EVENTS, RUN, TERMINAL, &["crate::engine", "crate::store", "tokio"]],
    },
    Row {
        module: "clock",
        never: &[ENDS, ADAPTERS, EVENTS, RUN, TERMINAL, &["crate::engine", "crate::store", "crate::fault"]],
    },
    Row { module: "cancel", never: &[ENDS, ADAPTERS, EVENTS, RUN, TERMINAL, &["crate::engine", "crate::store"]] },
    Row {
        module: "mask",
        never: &[ENDS, ADAPTERS, EVENTS, RUN, TERMINAL, &["crate::engine", "crate::store", "tokio"]],
    },
    Row { module: "progress", never: &[ENDS, ADAPTERS, EVENTS, RUN, TERMINAL, &["crate::engine", "crate::store"]] },
];

#[test]
fn no_module_names_what_it_must_never_know() {
    let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let mut broken = Vec::new();
    for row in TABLE {
        for file in files_of(&source, row.module) {
            let text = fs::read_to_string(&file).unwrap();
            let shown = file.strip_prefix(&source).unwrap().display().to_string();
            broken.extend(edges(&text, row).into_iter().map(|(line, path)| format!("{shown}:{line} names {path}")));
        }
    }
    assert!(broken.is_empty(), "the table in imports.rs forbids:\n{}", broken.join("\n"));
}

#[test]
fn an_edge_is_found_in_a_group_in_a_call_and_not_in_a_comment() {
    let row = Row { module: "run", never: &[&["crate::aws", "crate::engine::docker", "bollard"]] };
    let text = "//! crate::aws\nuse crate::{\n    event::Event,\n    engine::{docker::Docker, Engine},\n};\n\
                fn f() { bollard::Docker::new(); crate::aws_words(); }\nlet x = crate::aws::fault(); // bollard::x\n\
                #[cfg(test)]\nmod tests {\n    use bollard::Docker;\n}\n";
    let found = edges(text, &row);
    let expected = [(2, "crate::engine::docker"), (6, "bollard"), (7, "crate::aws")];
    assert_eq!(found, expected.map(|(line, path)| (line, path.to_owned())));
}

/// The files of a module: `NAME.rs` and all under `NAME/`.
fn files_of(source: &Path, module: &str) -> Vec<PathBuf> {
    let mut files = vec![source.join(format!("{module}.rs"))];
    let mut folders = vec![source.join(module)];
    while let Some(entries) = folders.pop().map(fs::read_dir) {
        for path in entries.into_iter().flatten().map(|entry| entry.unwrap().path()) {
            if path.is_dir() { folders.push(path) } else { files.push(path) }
        }
    }
    files.retain(|path| path.exists() && path.extension().is_some_and(|extension| extension == "rs"));
    files
}

/// Line and forbidden path of each edge in the text that the row forbids. Tests at its end may name what they need.
fn edges(text: &str, row: &Row) -> Vec<(usize, String)> {
    let text = text.split("#[cfg(test)]\nmod tests {").next().unwrap_or_default();
    let code: String =
        text.lines().map(|line| line.split("//").next().unwrap_or_default()).collect::<Vec<_>>().join("\n");
    let forbidden: Vec<&str> = row.never.iter().flat_map(|group| group.iter().copied()).collect();
    let mut found = Vec::new();
    for (at, path) in paths(&code) {
        let names = |forbidden: &&&str| path == **forbidden || path.starts_with(&format!("{forbidden}::"));
        if let Some(edge) = forbidden.iter().find(names) {
            found.push((code[..at].matches('\n').count() + 1, (*edge).to_owned()));
        }
    }
    found.dedup();
    found
}

/// Where each `a::b::c` starts, and what it says; the braces of a `use` are multiplied out.
fn paths(code: &str) -> Vec<(usize, String)> {
    let mut found = Vec::new();
    let mut from = 0;
    while let Some(start) = code[from..].find(is_word).map(|at| at + from) {
        let length = code[start..].find(|c: char| !is_word(c) && c != ':').unwrap_or(code.len() - start);
        let path = &code[start..start + length];
        from = start + length;
        if path.ends_with("::") && code[from..].starts_with('{') {
            let group = braced(&code[from..]);
            found.extend(multiply(path, group).into_iter().map(|path| (start, path)));
            from += group.len();
        } else if path.contains("::") {
            found.push((start, path.trim_end_matches(':').to_owned()));
        }
    }
    found
}

fn is_word(character: char) -> bool {
    character.is_alphanumeric() || character == '_'
}

/// `prefix` before every item of the group, which stands in its braces.
fn multiply(prefix: &str, group: &str) -> Vec<String> {
    let mut rest = group.trim_start_matches('{').trim_end_matches('}');
    let mut found = Vec::new();
    while let Some(start) = rest.find(is_word) {
        let item = &rest[start..];
        let length = item.find(['{', ',']).unwrap_or(item.len());
        let path = format!("{prefix}{}", item[..length].trim());
        rest = &item[length..];
        if rest.starts_with('{') {
            let inner = braced(rest);
            found.extend(multiply(&path, inner));
            rest = &rest[inner.len()..];
        } else {
            found.push(path);
        }
    }
    found
}

/// The text up to the brace that closes the one it starts with.
fn braced(text: &str) -> &str {
    let mut depth = 0_usize;
    for (at, character) in text.char_indices() {
        depth = match character {
            '{' => depth + 1,
            '}' if depth == 1 => return &text[..=at],
            '}' => depth - 1,
            _ => depth,
        };
    }
    text
}
