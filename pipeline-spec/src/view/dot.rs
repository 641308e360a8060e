//! The plan as a Graphviz graph.

use super::graph;
use crate::plan::Plan;

/// The plan as a Graphviz graph: a cluster a stage, a diamond a gate. An arrow between stages joins their points of
/// entry and exit, which are drawn as dots.
#[must_use]
pub fn dot(plan: &Plan) -> String {
    let mut graph = format!("digraph {} {{\n  rankdir=LR;\n  node [shape=box, style=rounded];\n", quoted(&plan.name));
    let mut before: Option<String> = None;
    for (number, stage) in graph::stages(plan).iter().enumerate() {
        if !stage.entry.is_empty() {
            gate(&mut graph, &mut before, format!("entry{number}"), &stage.entry);
        }
        graph.push_str(&format!("  subgraph cluster_{number} {{\n    label={};\n", quoted(&stage.name)));
        graph.push_str(&format!("    in{number} [shape=point];\n    out{number} [shape=point];\n"));
        for (place, action) in stage.actions.iter().enumerate() {
            graph.push_str(&format!("    a{number}_{place} [label={}];\n", quoted(&action.lines.join("\n"))));
        }
        edges(&mut graph, number, stage);
        graph.push_str("  }\n");
        if let Some(before) = &before {
            graph.push_str(&format!("  {before} -> in{number};\n"));
        }
        before = Some(format!("out{number}"));
        if !stage.exit.is_empty() {
            gate(&mut graph, &mut before, format!("success{number}"), &stage.exit);
        }
    }
    graph.push_str("}\n");
    graph
}

fn gate(graph: &mut String, before: &mut Option<String>, own: String, lines: &[String]) {
    graph.push_str(&format!("  {own} [shape=diamond, style=solid, label={}];\n", quoted(&lines.join("\n"))));
    if let Some(before) = before {
        graph.push_str(&format!("  {before} -> {own};\n"));
    }
    *before = Some(own);
}

/// Arrows inside a stage: what needs nothing hangs on its entry, what nothing needs on its exit.
fn edges(graph: &mut String, number: usize, stage: &graph::StageBox) {
    let needed: std::collections::BTreeSet<usize> = stage.arrows.iter().map(|(from, _)| *from).collect();
    let needing: std::collections::BTreeSet<usize> = stage.arrows.iter().map(|(_, to)| *to).collect();
    for (from, to) in &stage.arrows {
        graph.push_str(&format!("    a{number}_{from} -> a{number}_{to};\n"));
    }
    for place in 0..stage.actions.len() {
        if !needing.contains(&place) {
            graph.push_str(&format!("    in{number} -> a{number}_{place};\n"));
        }
        if !needed.contains(&place) {
            graph.push_str(&format!("    a{number}_{place} -> out{number};\n"));
        }
    }
}

fn quoted(text: &str) -> String {
    let text = text.replace('\\', "\\\\").replace('"', "\\\"").replace('\r', "").replace('\n', "\\n");
    format!("\"{text}\"")
}
