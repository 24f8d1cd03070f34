//! The watched directory as it is now: which file has which names.

use std::collections::{BTreeSet, HashMap};
use std::fs::{self, DirEntry};
use std::os::unix::fs::MetadataExt;
use std::path::Path;

use super::proc::Identity;
use crate::error::{At, Result};
use crate::trace::{BaseNode, Blob, Kind, Node, Place, ROOT, TraceWriter};

/// All nodes, by identity and by name.
#[derive(Default)]
pub struct Tree {
    nodes: Vec<Entry>,
    by_identity: HashMap<Identity, Node>,
    by_place: HashMap<Place, Node>,
}

struct Entry {
    identity: Identity,
    is_dir: bool,
    places: BTreeSet<Place>,
}

impl Tree {
    /// What is in a directory before the program begins, and the same for the trace.
    pub fn survey(dir: &Path, trace: &mut TraceWriter) -> Result<(Self, Vec<BaseNode>)> {
        let mut tree = Self::default();
        let meta = fs::metadata(dir).at("look at", dir)?;
        tree.make(Identity::from(&meta), true, None);
        let mut base = Vec::new();
        let mut dirs = vec![(ROOT, dir.to_owned())];
        while let Some((node, path)) = dirs.pop() {
            let entries = fs::read_dir(&path).and_then(Iterator::collect);
            let mut entries: Vec<DirEntry> = entries.at("list", &path)?;
            entries.sort_by_key(DirEntry::file_name);
            for entry in entries {
                let name = entry.file_name().to_string_lossy().into_owned();
                let place = Place { dir: node, name };
                let path = entry.path();
                if let Some(dir) = tree.survey_entry(&path, place, trace, &mut base)? {
                    dirs.push((dir, path));
                }
            }
        }
        Ok((tree, base))
    }

    /// One entry; a directory's number is returned, for it is to be surveyed itself.
    fn survey_entry(
        &mut self,
        path: &Path,
        place: Place,
        trace: &mut TraceWriter,
        base: &mut Vec<BaseNode>,
    ) -> Result<Option<Node>> {
        let meta = fs::symlink_metadata(path).at("look at", path)?;
        let identity = Identity::from(&meta);
        if let Some(node) = self.find(identity) {
            // One more name of a file that was already met.
            self.bind(node, place.clone());
            base.iter_mut().filter(|other| other.node == node).for_each(|other| {
                other.places.push(place.clone());
            });
            return Ok(None);
        }
        let kind = kind_of(&meta, path);
        let data = match kind {
            Kind::File => trace.blob(&fs::read(path).at("read", path)?)?,
            _ => Blob::default(),
        };
        let node = self.make(identity, meta.is_dir(), Some(place.clone()));
        let mode = meta.mode() & 0o7777;
        base.push(BaseNode { node, kind, mode, data, places: vec![place] });
        Ok(meta.is_dir().then_some(node))
    }

    /// A new node. A file that had this identity before is gone, and its number used again.
    pub fn make(&mut self, identity: Identity, is_dir: bool, place: Option<Place>) -> Node {
        let node = self.nodes.len() as Node;
        self.nodes.push(Entry { identity, is_dir, places: BTreeSet::new() });
        self.by_identity.insert(identity, node);
        if let Some(place) = place {
            self.bind(node, place);
        }
        node
    }

    /// Who has this identity.
    pub fn find(&self, identity: Identity) -> Option<Node> {
        self.by_identity.get(&identity).copied()
    }

    /// Which watched directory has this identity.
    pub fn find_dir(&self, identity: Identity) -> Option<Node> {
        self.find(identity).filter(|node| self.nodes[*node as usize].is_dir)
    }

    /// Who has this name.
    pub fn at(&self, place: &Place) -> Option<Node> {
        self.by_place.get(place).copied()
    }

    /// The file system of the watched directory.
    pub fn device(&self) -> u64 {
        self.nodes[ROOT as usize].identity.dev
    }

    /// Gives a name, and takes it from whoever had it.
    pub fn bind(&mut self, node: Node, place: Place) -> Option<Node> {
        let replaced = self.unbind(&place);
        self.nodes[node as usize].places.insert(place.clone());
        self.by_place.insert(place, node);
        replaced
    }

    /// Takes a name.
    pub fn unbind(&mut self, place: &Place) -> Option<Node> {
        let node = self.by_place.remove(place)?;
        self.nodes[node as usize].places.remove(place);
        Some(node)
    }

    /// Whether a file has no name any more, or none yet.
    pub fn is_nameless(&self, node: Node) -> bool {
        node != ROOT && self.nodes[node as usize].places.is_empty()
    }

    /// The path of a node within the watched directory.
    pub fn path(&self, node: Node) -> String {
        if node == ROOT {
            return ".".to_owned();
        }
        let first = self.nodes[node as usize].places.first();
        first.map_or_else(|| format!("<nameless {node}>"), |place| self.path_at(place))
    }

    /// The path of a name within the watched directory.
    pub fn path_at(&self, place: &Place) -> String {
        match place.dir {
            ROOT => place.name.clone(),
            dir => format!("{}/{}", self.path(dir), place.name),
        }
    }
}

/// What the entry at `path` is.
pub fn kind_of(meta: &fs::Metadata, path: &Path) -> Kind {
    let kind = meta.file_type();
    if kind.is_file() {
        Kind::File
    } else if kind.is_dir() {
        Kind::Dir
    } else if kind.is_symlink() {
        let target = fs::read_link(path).unwrap_or_default();
        Kind::Symlink(target.to_string_lossy().into_owned())
    } else {
        Kind::Other
    }
}
