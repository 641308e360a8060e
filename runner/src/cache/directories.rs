//! From the paths of a buildspec's `cache` to directories in the container. Only directories are kept on a machine
//! (CodeBuild user guide, "Local caching"); what has none is told.

/// What is kept, and what is not.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Directories {
    /// Absolute paths in the container, none inside another.
    pub kept: Vec<String>,
    /// Why a path is not kept, a sentence each.
    pub notices: Vec<String>,
}

/// An empty directory over one of these, or over anything in it, would take the container's system away.
const SYSTEM: [&str; 13] = [
    "/bin",
    "/boot",
    "/dev",
    "/etc",
    "/lib",
    "/lib32",
    "/lib64",
    "/proc",
    "/run",
    "/sbin",
    "/sys",
    "/usr/bin",
    "/usr/sbin",
];

/// Over one of these too, but not over a directory in it.
const SHARED: [&str; 14] = [
    "/",
    "/codebuild",
    "/home",
    "/media",
    "/mnt",
    "/opt",
    "/root",
    "/srv",
    "/tmp",
    "/usr",
    "/usr/lib",
    "/usr/local",
    "/usr/share",
    "/var",
];

/// The directories for the paths of a buildspec; relative ones lie under `source_directory`, `~` is `/root`.
#[must_use]
pub fn directories(paths: &[String], source_directory: &str) -> Directories {
    let mut all = Directories::default();
    let mut kept = Vec::new();
    for path in paths {
        match directory(path.trim(), source_directory.trim_end_matches('/')) {
            Ok(directory) => kept.push(directory),
            Err(why) => all.notices.push(format!("the cache path `{path}` is not kept: {why}")),
        }
    }
    kept.sort_unstable();
    for path in kept {
        if !all.kept.iter().any(|outer| is_in(&path, outer)) {
            all.kept.push(path);
        }
    }
    all
}

fn directory(path: &str, source: &str) -> Result<String, &'static str> {
    let path = expanded(path, source);
    if path.contains('$') {
        return Err("only HOME and CODEBUILD_SRC_DIR are known before the build runs");
    }
    let absolute = if path.starts_with('/') { path } else { format!("{source}/{path}") };
    let parts: Vec<&str> = absolute.split('/').filter(|part| !part.is_empty() && *part != ".").collect();
    if parts.contains(&"..") {
        return Err("`..` may lead anywhere");
    }
    let is_pattern = |part: &&str| part.contains(['*', '?', '[', '{']);
    let fixed: Vec<&str> = parts.iter().copied().take_while(|part| !is_pattern(part)).collect();
    let directory = format!("/{}", fixed.join("/"));
    let is_file = fixed.len() == parts.len()
        && !absolute.ends_with('/')
        && fixed.last().is_some_and(|name| name.trim_start_matches('.').contains('.'));
    if is_file {
        return Err("only directories are kept; write `directory/**/*`");
    }
    if is_in(source, &directory) {
        return Err("the source directory itself is not kept; name a directory in it");
    }
    if SHARED.contains(&directory.as_str()) || SYSTEM.iter().any(|system| is_in(&directory, system)) {
        return Err("the system of the container lies there; name a directory deeper in it");
    }
    Ok(directory)
}

/// With the variables filled in that never differ.
fn expanded(path: &str, source: &str) -> String {
    for (variable, value) in [
        ("~", "/root"),
        ("$HOME", "/root"),
        ("${HOME}", "/root"),
        ("$CODEBUILD_SRC_DIR", source),
        ("${CODEBUILD_SRC_DIR}", source),
    ] {
        if let Some(rest) = path.strip_prefix(variable)
            && (rest.is_empty() || rest.starts_with('/'))
        {
            return format!("{value}{rest}");
        }
    }
    path.to_owned()
}

/// Whether a path is another one or lies in it.
fn is_in(path: &str, outer: &str) -> bool {
    path.strip_prefix(outer).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(path: &str, expected: &str) {
        let Directories { kept, notices } = directories(&[path.to_owned()], "/codebuild/output/src1/src/");
        let told = notices.first().and_then(|notice| notice.split_once(" is not kept: ")).map(|(_, why)| why);
        assert_eq!(told.map_or_else(|| kept.join(","), |why| format!("! {why}")), expected, "{path}");
    }

    #[test]
    fn the_part_before_the_first_wildcard_is_the_directory() {
        check("/root/.m2/**/*", "/root/.m2");
        check("node_modules/**/*", "/codebuild/output/src1/src/node_modules");
        check("./target/", "/codebuild/output/src1/src/target");
        check("/root/.cache/pip", "/root/.cache/pip");
        check("/root/.gradle/caches/*.lock", "/root/.gradle/caches");
        check("~/.npm/**/*", "/root/.npm");
        check("$CODEBUILD_SRC_DIR/vendor/*", "/codebuild/output/src1/src/vendor");
        check("/go/pkg/mod/**/*", "/go/pkg/mod");
        check("/cache", "/cache");
        check("/usr/lib/node_modules/**/*", "/usr/lib/node_modules");
    }

    #[test]
    fn what_has_no_directory_of_its_own_is_told() {
        check("**/*", "! the source directory itself is not kept; name a directory in it");
        check("/codebuild/**/*", "! the source directory itself is not kept; name a directory in it");
        check("yarn.lock", "! only directories are kept; write `directory/**/*`");
        check("/root/**/*", "! the system of the container lies there; name a directory deeper in it");
        check("/etc/ssl/**/*", "! the system of the container lies there; name a directory deeper in it");
        check("/usr/lib/*", "! the system of the container lies there; name a directory deeper in it");
        check("/*", "! the system of the container lies there; name a directory deeper in it");
        check("../x/*", "! `..` may lead anywhere");
        check("$GOPATH/**/*", "! only HOME and CODEBUILD_SRC_DIR are known before the build runs");
    }

    #[test]
    fn a_directory_inside_another_is_kept_once() {
        let paths = ["/root/.m2/repository/**/*", "/root/.m2/**/*", "/root/.m2x/*"].map(str::to_owned);
        assert_eq!(directories(&paths, "/src").kept, ["/root/.m2", "/root/.m2x"]);
    }
}
