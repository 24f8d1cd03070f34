//! What is on the disk: names, and the bytes behind them.

use std::collections::BTreeMap;
use std::fs;
use std::io;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::sync::Arc;

use xxhash_rust::xxh3::xxh3_128;

use super::content::Content;
use crate::error::{At, Result};
use crate::trace::{Blob, Effect, Kind, Node, Place, ROOT, Trace};

/// Directories, files, and their bytes. Cheap to copy.
#[derive(Clone, Debug, Default)]
pub struct Disk {
    nodes: Vec<Arc<Inode>>,
    names: Arc<BTreeMap<Place, Node>>,
}

#[derive(Clone, Debug)]
struct Inode {
    kind: Kind,
    mode: u32,
    content: Content,
}

/// A change of one thing on the disk. Fields are named as those of [`Effect`].
#[allow(missing_docs, reason = "the variants say what the fields are")]
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Change {
    /// Names that change together.
    Names(Vec<(Place, Option<Node>)>),
    /// Bytes of a file.
    Bytes { node: Node, at: u64, data: Blob },
    /// The length of a file.
    Length { node: Node, len: u64 },
    /// A longer file, without the bytes that made it so.
    Growth { node: Node, len: u64 },
    /// Zeros in a file.
    Zero { node: Node, at: u64, len: u64 },
}

impl Disk {
    /// What was there before, with all nodes that are ever made, still without names.
    #[must_use]
    pub fn before(trace: &Trace) -> Self {
        let root = Inode { kind: Kind::Dir, mode: 0o755, content: Content::default() };
        let mut disk = Self { nodes: vec![Arc::new(root)], names: Arc::default() };
        for base in &trace.header.base {
            let content = Content::new(trace.bytes(base.data));
            disk.make(base.node, Inode { kind: base.kind.clone(), mode: base.mode, content });
            base.places.iter().for_each(|place| disk.set_name(place, Some(base.node)));
        }
        for effect in trace.calls.iter().flat_map(|call| &call.effects) {
            if let Effect::Make { node, kind, mode, .. } = effect {
                let content = Content::default();
                disk.make(*node, Inode { kind: kind.clone(), mode: *mode, content });
            }
        }
        disk
    }

    fn make(&mut self, node: Node, inode: Inode) {
        let nothing = Inode { kind: Kind::Other, mode: 0, content: Content::default() };
        self.nodes.resize(self.nodes.len().max(node as usize + 1), Arc::new(nothing));
        self.nodes[node as usize] = Arc::new(inode);
    }

    fn inode_mut(&mut self, node: Node) -> &mut Inode {
        Arc::make_mut(&mut self.nodes[node as usize])
    }

    /// Carries out a change.
    pub fn apply(&mut self, change: &Change, trace: &Trace) {
        match change {
            Change::Names(names) => {
                names.iter().for_each(|(place, node)| self.set_name(place, *node));
            }
            Change::Bytes { node, at, data } => {
                self.content_mut(*node).write(*at, trace.bytes(*data));
            }
            Change::Length { node, len } => self.content_mut(*node).set_len(*len),
            Change::Growth { node, len } => {
                let content = self.content_mut(*node);
                content.set_len(content.len().max(*len));
            }
            Change::Zero { node, at, len } => self.content_mut(*node).zero(*at, *len),
        }
    }

    /// New permissions of a file.
    pub fn set_mode(&mut self, node: Node, mode: u32) {
        self.inode_mut(node).mode = mode;
    }

    /// Who has a name from now on.
    pub fn set_name(&mut self, place: &Place, node: Option<Node>) {
        if self.at(place) == node {
            return;
        }
        let names = Arc::make_mut(&mut self.names);
        match node {
            Some(node) => names.insert(place.clone(), node),
            None => names.remove(place),
        };
    }

    /// The bytes of a file, to be changed.
    pub fn content_mut(&mut self, node: Node) -> &mut Content {
        &mut self.inode_mut(node).content
    }

    /// The bytes of a file.
    #[must_use]
    pub fn content(&self, node: Node) -> &Content {
        &self.nodes[node as usize].content
    }

    /// Who has a name.
    #[must_use]
    pub fn at(&self, place: &Place) -> Option<Node> {
        self.names.get(place).copied()
    }

    /// Every path that can be reached, and its node.
    #[must_use]
    pub fn paths(&self) -> Vec<(String, Node)> {
        let mut found = Vec::new();
        self.walk(ROOT, "", &mut found);
        found
    }

    fn walk(&self, dir: Node, prefix: &str, found: &mut Vec<(String, Node)>) {
        let from = Place { dir, name: String::new() };
        for (place, node) in self.names.range(from..).take_while(|(place, _)| place.dir == dir) {
            let path = format!("{prefix}{}", place.name);
            let is_dir = self.nodes[*node as usize].kind == Kind::Dir;
            found.push((path.clone(), *node));
            if is_dir {
                self.walk(*node, &format!("{path}/"), found);
            }
        }
    }

    /// Equal for directories that a program cannot tell apart.
    #[must_use]
    pub fn hash(&self) -> u128 {
        let of = |(path, node): (String, Node)| {
            let inode = &self.nodes[node as usize];
            let mut text = path.into_bytes();
            text.push(0);
            match &inode.kind {
                Kind::File => text.push(b'f'),
                other => text.extend(format!("{other:?}").into_bytes()),
            }
            text.extend(inode.mode.to_le_bytes());
            text.extend(inode.content.hash().to_le_bytes());
            xxh3_128(&text)
        };
        self.paths().into_iter().map(of).fold(0, u128::wrapping_add)
    }

    /// Makes a directory of it. `dir` must be there and empty.
    pub fn write_to(&self, dir: &Path) -> Result<()> {
        self.write_by(dir, |_, content, mode, path| {
            content.write_to(path)?;
            fs::set_permissions(path, fs::Permissions::from_mode(mode))
        })
    }

    /// The same, where somebody else makes the files: each of them once, with its permissions.
    pub fn write_by(
        &self,
        dir: &Path,
        mut make: impl FnMut(Node, &Content, u32, &Path) -> io::Result<()>,
    ) -> Result<()> {
        let mut made: BTreeMap<Node, std::path::PathBuf> = BTreeMap::new();
        for (name, node) in self.paths() {
            let path = dir.join(name);
            let inode = &self.nodes[node as usize];
            match &inode.kind {
                Kind::Dir => fs::create_dir(&path).at("make", &path)?,
                Kind::Symlink(target) => {
                    std::os::unix::fs::symlink(target, &path).at("make", &path)?;
                }
                Kind::File => match made.get(&node) {
                    Some(first) => fs::hard_link(first, &path).at("link", &path)?,
                    None => {
                        make(node, &inode.content, inode.mode, &path).at("write", &path)?;
                        made.insert(node, path);
                    }
                },
                Kind::Other => {}
            }
        }
        Ok(())
    }
}
