//! Text to tree: with `syntax.rs`, its errors, the only file that names the YAML crate.
//!
//! A file may be hostile: its size, its depth and what its aliases expand to are bounded, and nothing here recurses
//! deeper than [`MAX_DEPTH`].

use std::collections::HashMap;

use granit_parser::{Event, Marker, Parser, ScalarStyle};

use super::{Entry, Node, Scalar, Value, syntax};
use crate::diagnostic::{Diagnostics, Reading, Span, shortened};

/// The longest text that is read, in bytes: some fifty times the longest buildspec seen in the wild.
pub const MAX_BYTES: usize = 4 << 20;

/// How deep lists and mappings may nest.
const MAX_DEPTH: usize = 64;

/// What all aliases together may expand to, in bytes of text with a fixed price for each value.
const MAX_EXPANSION: usize = 8 << 20;

/// The price of a value in an expansion, whatever its text.
const NODE_PRICE: usize = 64;

/// Reads the first document of a text. A second one is ignored with a warning, as CodeBuild ignores it.
#[must_use]
pub fn parse(file: &str, text: &str) -> Reading<Node> {
    let mut diagnostics = Diagnostics::of(file);
    if text.len() > MAX_BYTES {
        let message = format!("the file has {} bytes, more than the {MAX_BYTES} that are read", text.len());
        diagnostics.error("too-large", Span::START, message).hint("is this the right file?");
        return Reading::of(None, diagnostics);
    }
    let mut options = granit_parser::options! {
        block_scalar_eof_without_line_feed: true,
        bom_inside_document_as_content: false,
    };
    options.set_emit_comments(false);
    let mut builder = Builder::new(&mut diagnostics);
    for next in Parser::new_from_str_with_options(text, options) {
        let step = match next {
            Ok((event, span)) => builder.take(event, span_of(&span.start, &span.end)),
            Err(error) => {
                syntax::report(&error, builder.diagnostics);
                Step::Stop
            }
        };
        if matches!(step, Step::Stop) || builder.diagnostics.is_full() {
            break;
        }
    }
    let root = builder.root;
    if root.is_none() && !diagnostics.has_errors() {
        diagnostics.error("empty", Span::START, "the file is empty");
    }
    Reading::of(root, diagnostics)
}

/// Whether the rest of the text matters.
enum Step {
    GoOn,
    Stop,
}

/// A list or mapping that has not ended yet.
struct Open {
    start: Span,
    anchor: usize,
    content: Content,
}

enum Content {
    List(Vec<Node>),
    Map { entries: Vec<Entry>, index: Index, key: Option<Key>, merges: Vec<Node> },
}

/// A key that waits for its value.
enum Key {
    Text(String, Span),
    Merge,
    /// It was reported, and its value is passed over.
    Bad,
}

/// A value that aliases copy, with what a copy costs and how deep it is.
struct Anchored {
    node: Node,
    price: usize,
    depth: usize,
}

struct Builder<'d> {
    diagnostics: &'d mut Diagnostics,
    open: Vec<Open>,
    anchors: HashMap<usize, Anchored>,
    expanded: usize,
    root: Option<Node>,
}

impl<'d> Builder<'d> {
    fn new(diagnostics: &'d mut Diagnostics) -> Self {
        Self { diagnostics, open: Vec::new(), anchors: HashMap::new(), expanded: 0, root: None }
    }

    fn take(&mut self, event: Event<'_>, span: Span) -> Step {
        match event {
            Event::Scalar(text, style, anchor, _) => {
                let scalar = Scalar { text: text.into_owned(), plain: style == ScalarStyle::Plain };
                self.finish(Node { span, value: Value::Scalar(scalar) }, anchor);
            }
            Event::SequenceStart(_, anchor, _) => return self.begin(span, anchor, Content::List(Vec::new())),
            Event::MappingStart(_, anchor, _) => {
                let content =
                    Content::Map { entries: Vec::new(), index: Index::default(), key: None, merges: Vec::new() };
                return self.begin(span, anchor, content);
            }
            Event::SequenceEnd | Event::MappingEnd => {
                if let Some(open) = self.open.pop() {
                    self.end(open, span);
                }
            }
            Event::Alias(anchor) => return self.alias(anchor, span),
            Event::DocumentStart(..) if self.root.is_some() => {
                let message = "only the first YAML document of the file is read";
                self.diagnostics.warning("second-document", span, message);
                return Step::Stop;
            }
            _ => {}
        }
        Step::GoOn
    }

    fn begin(&mut self, start: Span, anchor: usize, content: Content) -> Step {
        if self.open.len() == MAX_DEPTH {
            return self.too_deep(start);
        }
        self.open.push(Open { start, anchor, content });
        Step::GoOn
    }

    fn too_deep(&mut self, place: Span) -> Step {
        let message = format!("lists and mappings nest deeper than {MAX_DEPTH} levels");
        self.diagnostics.error("too-deep", place, message);
        Step::Stop
    }

    fn end(&mut self, open: Open, end: Span) {
        let mut span = open.start;
        if end.end_line == span.line {
            span.end_column = end.end_column;
        } else {
            (span.end_line, span.end_column) = (span.line, span.column + 1);
        }
        let value = match open.content {
            Content::List(items) => Value::List(items),
            Content::Map { mut entries, mut index, merges, .. } => {
                self.merge(&mut entries, &mut index, merges);
                Value::Map(entries)
            }
        };
        self.finish(Node { span, value }, open.anchor);
    }

    /// Puts a whole value where it belongs.
    fn finish(&mut self, node: Node, anchor: usize) {
        if anchor != 0 {
            let (price, depth) = (price(&node), depth(&node));
            self.anchors.insert(anchor, Anchored { node: node.clone(), price, depth });
        }
        self.place(node);
    }

    fn place(&mut self, node: Node) {
        let Some(Open { content, .. }) = self.open.last_mut() else {
            self.root = Some(node);
            return;
        };
        match content {
            Content::List(items) => items.push(node),
            Content::Map { entries, index, key, merges } => match key.take() {
                None => *key = Some(read_key(node, entries, index, self.diagnostics)),
                Some(Key::Bad) => {}
                Some(Key::Merge) => merges.push(node),
                Some(Key::Text(key, key_span)) => entries.push(Entry { key, key_span, value: node }),
            },
        }
    }

    /// A copy of the anchored value stands where the alias is; what is inside it keeps its own place in the text.
    fn alias(&mut self, anchor: usize, span: Span) -> Step {
        let Some(Anchored { node, price, depth }) = self.anchors.get(&anchor) else {
            self.diagnostics.error("alias", span, "an alias stands inside the value that it refers to");
            return Step::Stop;
        };
        self.expanded += price;
        if self.expanded > MAX_EXPANSION {
            let message = format!("the aliases of the file expand to more than {MAX_EXPANSION} bytes");
            self.diagnostics.error("too-large", span, message);
            return Step::Stop;
        }
        if self.open.len() + depth > MAX_DEPTH {
            return self.too_deep(span);
        }
        let copy = Node { span, value: node.value.clone() };
        self.place(copy);
        Step::GoOn
    }

    /// `<<`: keys that are written win over merged ones, and earlier sources over later ones (yaml.org/type/merge).
    fn merge(&mut self, entries: &mut Vec<Entry>, index: &mut Index, merges: Vec<Node>) {
        let sources = merges.into_iter().flat_map(|node| match node.value {
            Value::List(items) => items,
            value => vec![Node { span: node.span, value }],
        });
        for source in sources {
            let Value::Map(more) = source.value else {
                self.diagnostics.error("merge", source.span, "`<<` takes a mapping or a list of mappings");
                continue;
            };
            for entry in more {
                if index.find(entries, &entry.key).is_none() {
                    entries.push(entry);
                }
            }
        }
    }
}

/// Finds keys of a mapping that is still being read. Most mappings are small and looked through; the keys of a large one
/// are hashed, so that the time stays in proportion to the text.
#[derive(Default)]
struct Index {
    places: HashMap<String, usize>,
}

impl Index {
    /// Up to so many entries are looked through.
    const SMALL: usize = 16;

    /// Where the key of that name stands. `entries` only ever grows from one call to the next.
    fn find(&mut self, entries: &[Entry], key: &str) -> Option<Span> {
        if entries.len() <= Self::SMALL {
            return entries.iter().find(|entry| entry.key == key).map(|entry| entry.key_span);
        }
        for (place, entry) in entries.iter().enumerate().skip(self.places.len()) {
            self.places.insert(entry.key.clone(), place);
        }
        self.places.get(key).map(|place| entries[*place].key_span)
    }
}

/// A key must be a text, and the only one of its name.
fn read_key(node: Node, entries: &[Entry], index: &mut Index, diagnostics: &mut Diagnostics) -> Key {
    let Value::Scalar(scalar) = node.value else {
        diagnostics.error("key", node.span, "a key is a text, not a list or a mapping");
        return Key::Bad;
    };
    if scalar.plain && scalar.text == "<<" {
        return Key::Merge;
    }
    if let Some(first) = index.find(entries, &scalar.text) {
        let message = format!("the key `{}` is written twice", shortened(&scalar.text));
        diagnostics.error("duplicate-key", node.span, message).related(first, "first written here");
        return Key::Bad;
    }
    Key::Text(scalar.text, node.span)
}

/// What a copy of the value costs.
fn price(node: &Node) -> usize {
    NODE_PRICE
        + match &node.value {
            Value::Scalar(scalar) => scalar.text.len(),
            Value::List(items) => items.iter().map(price).sum(),
            Value::Map(entries) => entries.iter().map(|entry| entry.key.len() + price(&entry.value)).sum(),
        }
}

/// How many lists and mappings are in each other at the most.
fn depth(node: &Node) -> usize {
    match &node.value {
        Value::Scalar(_) => 0,
        Value::List(items) => 1 + items.iter().map(depth).max().unwrap_or(0),
        Value::Map(entries) => 1 + entries.iter().map(|entry| depth(&entry.value)).max().unwrap_or(0),
    }
}

/// The place between two marks of the parser.
pub(super) fn span_of(start: &Marker, end: &Marker) -> Span {
    let number = |value: usize| u32::try_from(value).unwrap_or(u32::MAX);
    Span {
        line: number(start.line()),
        column: number(start.col()).saturating_add(1),
        end_line: number(end.line()),
        end_column: number(end.col()).saturating_add(1),
    }
}
