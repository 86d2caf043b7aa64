//! XML with complaints that name file, line and element.
//!
//! `roxmltree` reads it: without document types, hence without entities that grow, and with a bound on its nodes.

use super::json::ImportError;
use roxmltree::{Document, Node, ParsingOptions};

/// Elements and texts of the largest file.
const MOST_NODES: u32 = 1 << 23;

/// A file that has been read.
pub(super) struct Xml<'t> {
    file: &'t str,
    document: Document<'t>,
}

impl<'t> Xml<'t> {
    pub(super) fn parse(file: &'t str, text: &'t str) -> Result<Self, ImportError> {
        let options = ParsingOptions { allow_dtd: false, nodes_limit: MOST_NODES, ..ParsingOptions::default() };
        match Document::parse_with_options(text, options) {
            Ok(document) => Ok(Xml { file, document }),
            Err(error) => {
                let at = error.pos();
                let (mut line, mut column) = (at.row as usize, at.col as usize);
                let message = match error {
                    roxmltree::Error::DtdDetected => {
                        // It does not tell where.
                        let before = text.find("<!DOCTYPE").map_or("", |begin| &text[..begin]);
                        line = 1 + before.matches('\n').count();
                        column = 1 + before.chars().rev().take_while(|letter| *letter != '\n').count();
                        "a document type, which may define entities, is not read".to_owned()
                    }
                    roxmltree::Error::NodesLimitReached => format!("more than {MOST_NODES} elements and texts"),
                    // It tells the place itself, at the end.
                    other => other.to_string().trim_end_matches(&format!(" at {}:{}", at.row, at.col)).to_owned(),
                };
                Err(ImportError { file: file.to_owned(), line, column, path: String::new(), message })
            }
        }
    }

    /// The outermost element, which must have this name.
    pub(super) fn root(&self, name: &str) -> Result<Element<'_, 't>, ImportError> {
        let root = Element { xml: self, node: self.document.root_element() };
        match root.name() == name {
            true => Ok(root),
            false => Err(root.error(format!("expected <{name}>, found <{}>", root.name()))),
        }
    }
}

/// An element of a file.
#[derive(Clone, Copy)]
pub(super) struct Element<'x, 't> {
    xml: &'x Xml<'t>,
    node: Node<'x, 't>,
}

impl<'x, 't> Element<'x, 't> {
    pub(super) fn name(&self) -> &'x str {
        self.node.tag_name().name()
    }

    pub(super) fn elements(&self) -> impl Iterator<Item = Element<'x, 't>> + use<'x, 't> {
        let xml = self.xml;
        self.node.children().filter(Node::is_element).map(move |node| Element { xml, node })
    }

    /// Elements of one name in it.
    pub(super) fn all(&self, name: &'static str) -> impl Iterator<Item = Element<'x, 't>> + use<'x, 't> {
        self.elements().filter(move |element| element.name() == name)
    }

    /// The names of the elements that lead here, with their `id` where they have one.
    fn path(&self) -> String {
        let mut names: Vec<String> = self
            .node
            .ancestors()
            .filter(Node::is_element)
            .take(8)
            .map(|node| match node.attribute("id") {
                Some(id) => format!("{}[{id:?}]", node.tag_name().name()),
                None => node.tag_name().name().to_owned(),
            })
            .collect();
        names.reverse();
        names.join(".")
    }

    fn complaint(&self, at: usize, path: String, message: String) -> ImportError {
        let at = self.xml.document.text_pos_at(at);
        ImportError { file: self.xml.file.to_owned(), line: at.row as usize, column: at.col as usize, path, message }
    }

    pub(super) fn error(&self, message: impl Into<String>) -> ImportError {
        self.complaint(self.node.range().start, self.path(), message.into())
    }

    /// A complaint about one of its attributes.
    pub(super) fn wrong(&self, attribute: &str, message: impl Into<String>) -> ImportError {
        let at = self.node.attribute_node(attribute).map_or(self.node.range().start, |found| found.range().start);
        self.complaint(at, format!("{}.{attribute}", self.path()), message.into())
    }

    pub(super) fn find(&self, attribute: &str) -> Option<&'x str> {
        self.node.attribute(attribute)
    }

    pub(super) fn get(&self, attribute: &str) -> Result<&'x str, ImportError> {
        self.find(attribute).ok_or_else(|| self.error(format!("`{attribute}` is missing")))
    }

    fn parsed(&self, attribute: &str, text: &str) -> Result<f64, ImportError> {
        let number = text.trim().parse::<f64>().ok().filter(|number| number.is_finite());
        number.ok_or_else(|| self.wrong(attribute, format!("expected a number, found {text:?}")))
    }

    pub(super) fn number(&self, attribute: &str) -> Result<f64, ImportError> {
        self.parsed(attribute, self.get(attribute)?)
    }

    pub(super) fn number_or(&self, attribute: &str, otherwise: f64) -> Result<f64, ImportError> {
        self.find(attribute).map_or(Ok(otherwise), |text| self.parsed(attribute, text))
    }

    pub(super) fn positive_or(&self, attribute: &str, otherwise: f64) -> Result<f64, ImportError> {
        let number = self.number_or(attribute, otherwise)?;
        match number > 0.0 {
            true => Ok(number),
            false => Err(self.wrong(attribute, format!("expected a number above 0, found {number}"))),
        }
    }

    pub(super) fn positive(&self, attribute: &str) -> Result<f64, ImportError> {
        self.get(attribute)?;
        self.positive_or(attribute, 0.0)
    }

    pub(super) fn non_negative_or(&self, attribute: &str, otherwise: f64) -> Result<f64, ImportError> {
        let number = self.number_or(attribute, otherwise)?;
        match number >= 0.0 {
            true => Ok(number),
            false => Err(self.wrong(attribute, format!("expected a number, 0 or above, found {number}"))),
        }
    }

    pub(super) fn index(&self, attribute: &str) -> Result<usize, ImportError> {
        let text = self.get(attribute)?;
        let number = text.trim().parse::<u32>();
        number
            .map(|number| number as usize)
            .map_err(|_| self.wrong(attribute, format!("expected a whole number, 0 or above, found {text:?}")))
    }

    /// A time: seconds, or hours, minutes and seconds with colons.
    pub(super) fn time(&self, attribute: &str) -> Result<f64, ImportError> {
        let text = self.get(attribute)?;
        let parts: Vec<&str> = text.trim().split(':').collect();
        match parts[..] {
            [_] => self.parsed(attribute, text),
            [h, m, s] => {
                let [h, m, s] = [self.parsed(attribute, h)?, self.parsed(attribute, m)?, self.parsed(attribute, s)?];
                Ok(h * 3600.0 + m * 60.0 + s)
            }
            _ => Err(self.wrong(attribute, format!("expected seconds or hours:minutes:seconds, found {text:?}"))),
        }
    }
}
