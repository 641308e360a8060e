//! The plan as a Mermaid flow chart.

use super::graph;
use crate::plan::Plan;

/// The plan as a Mermaid flow chart: a box a stage, a diamond a gate.
#[must_use]
pub fn mermaid(plan: &Plan) -> String {
    let mut chart = String::from("flowchart LR\n");
    let mut before: Option<String> = None;
    for (number, stage) in graph::stages(plan).iter().enumerate() {
        let own = format!("stage{number}");
        if !stage.entry.is_empty() {
            let gate = format!("entry{number}");
            chart.push_str(&format!("  {gate}{{\"{}\"}}\n", label(&stage.entry)));
            arrow(&mut chart, before.as_deref(), &gate);
            before = Some(gate);
        }
        chart.push_str(&format!("  subgraph {own}[\"{}\"]\n", escaped(&stage.name)));
        for (place, action) in stage.actions.iter().enumerate() {
            chart.push_str(&format!("    {own}_{place}[\"{}\"]\n", label(&action.lines)));
        }
        for (from, to) in &stage.arrows {
            chart.push_str(&format!("    {own}_{from} --> {own}_{to}\n"));
        }
        chart.push_str("  end\n");
        arrow(&mut chart, before.as_deref(), &own);
        before = Some(own);
        if !stage.exit.is_empty() {
            let gate = format!("success{number}");
            chart.push_str(&format!("  {gate}{{\"{}\"}}\n", label(&stage.exit)));
            arrow(&mut chart, before.as_deref(), &gate);
            before = Some(gate);
        }
    }
    chart
}

fn arrow(chart: &mut String, from: Option<&str>, to: &str) {
    if let Some(from) = from {
        chart.push_str(&format!("  {from} --> {to}\n"));
    }
}

fn label(lines: &[String]) -> String {
    lines.iter().map(|line| escaped(line)).collect::<Vec<_>>().join("<br/>")
}

/// Mermaid's own escapes: a `#`, a name or number, a semicolon.
fn escaped(text: &str) -> String {
    let mut safe = String::with_capacity(text.len());
    for character in text.chars() {
        match character {
            '"' => safe.push_str("#quot;"),
            '#' => safe.push_str("#35;"),
            '<' => safe.push_str("#lt;"),
            '>' => safe.push_str("#gt;"),
            '\n' | '\r' => safe.push(' '),
            other => safe.push(other),
        }
    }
    safe
}
