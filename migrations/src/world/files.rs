//! The files of a world and the documents in them.

use std::{
    fs::File,
    io::{self, BufRead, BufReader},
    path::{Path, PathBuf},
    sync::Arc,
};

use rayon::prelude::*;
use serde_path_to_error::Segment;
use serde_saphyr::options::{DuplicateKeyPolicy, NonFiniteFloatPolicy};

use super::{
    format::Document,
    items::{UNREADABLE_MAX, reading},
    lost::each_lost,
    words::in_words,
};
use crate::load::{Origin, Problem, Progress};

/// A world that cannot be read at all.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// The path is not there or cannot be read.
    #[error("{path} cannot be read")]
    Unreadable {
        /// What was given.
        path: String,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// A link to a folder that it is in.
    #[error("{path} leads back to a folder that it is in: remove that link")]
    Loop {
        /// The link.
        path: String,
    },
    /// A folder without files of the format.
    #[error("{path} holds no .yaml, .yml or .json file: give a world file or a folder of them")]
    Empty {
        /// What was given.
        path: String,
    },
}

/// The files of one world, in the order of their names.
#[derive(Debug, Clone)]
pub struct WorldFiles {
    /// What was opened, for messages.
    pub(super) name: Arc<str>,
    files: Vec<WorldFile>,
    /// Files of the folder that are of another sort.
    pub(super) others: Vec<String>,
    /// How many hidden files and folders were passed over: editors and version control keep copies in them.
    pub(super) hidden: u64,
}

#[derive(Debug, Clone)]
struct WorldFile {
    /// For messages: relative to what was opened.
    name: Arc<str>,
    content: Content,
}

#[derive(Debug, Clone)]
enum Content {
    Path(PathBuf, u64),
    Text(Arc<str>),
}

impl WorldFiles {
    const ENDINGS: [&str; 3] = ["yaml", "yml", "json"];

    /// A file, or all `.yaml`, `.yml` and `.json` files of a folder and the folders below it, but for hidden ones.
    pub fn open(path: &Path) -> Result<Self, OpenError> {
        let unreadable = |path: &Path| {
            let path = path.display().to_string();
            move |source| OpenError::Unreadable { path, source }
        };
        let name = path.display().to_string().into();
        let mut world = Self { name, files: Vec::new(), others: Vec::new(), hidden: 0 };
        let metadata = path.metadata().map_err(unreadable(path))?;
        if !metadata.is_dir() {
            let name = path.file_name().unwrap_or(path.as_os_str()).to_string_lossy();
            world.files.push(WorldFile {
                name: name.into(),
                content: Content::Path(path.to_owned(), metadata.len()),
            });
            return Ok(world);
        }
        let mut open = vec![path.to_owned()];
        while let Some(folder) = open.pop() {
            for entry in folder.read_dir().map_err(unreadable(&folder))? {
                let entry = entry.map_err(unreadable(&folder))?;
                if entry.file_name().as_encoded_bytes().starts_with(b".") {
                    world.hidden += 1;
                    continue;
                }
                let file = entry.path();
                let metadata = file.metadata().map_err(unreadable(&file))?;
                let name = file.strip_prefix(path).unwrap_or(&file).to_string_lossy().replace('\\', "/");
                let ending = file.extension().and_then(|ending| ending.to_str()).unwrap_or_default();
                if metadata.is_dir() {
                    let [inner, outer] = [&file, &folder].map(|path| path.canonicalize());
                    if outer.map_err(unreadable(&folder))?.starts_with(inner.map_err(unreadable(&file))?) {
                        return Err(OpenError::Loop { path: file.display().to_string() });
                    }
                    open.push(file);
                } else if !metadata.is_file() {
                    // A pipe would never end.
                    world.others.push(name);
                } else if Self::ENDINGS.iter().any(|known| known.eq_ignore_ascii_case(ending)) {
                    world
                        .files
                        .push(WorldFile { name: name.into(), content: Content::Path(file, metadata.len()) });
                } else {
                    world.others.push(name);
                }
            }
        }
        if world.files.is_empty() {
            return Err(OpenError::Empty { path: path.display().to_string() });
        }
        world.files.sort_by(|a, b| a.name.cmp(&b.name));
        Ok(world)
    }

    /// Files that are in memory, each a name and a text.
    pub fn in_memory<N: Into<Arc<str>>, T: Into<Arc<str>>>(files: impl IntoIterator<Item = (N, T)>) -> Self {
        let file =
            |(name, text): (N, T)| WorldFile { name: name.into(), content: Content::Text(text.into()) };
        let files = files.into_iter().map(file).collect();
        Self { name: "the files".into(), files, others: Vec::new(), hidden: 0 }
    }

    /// Size of all files.
    pub fn bytes(&self) -> u64 {
        let bytes = |file: &WorldFile| match &file.content {
            Content::Path(_, bytes) => *bytes,
            Content::Text(text) => text.len() as u64,
        };
        self.files.iter().map(bytes).sum()
    }

    /// Hands out every document in order, parsed on all cores a few megabytes ahead. An item that cannot be read is a
    /// problem, and so is a document and a file; the others follow. `take` ends the reading by returning false.
    pub(super) fn read(&self, progress: &dyn Progress, mut take: impl FnMut(Read) -> bool) {
        let mut chunk = Chunk::default();
        for file in &self.files {
            let result = file.documents(|text| {
                chunk.bytes += text.text.len();
                chunk.texts.push(text);
                chunk.bytes < Chunk::BYTES || chunk.parse(progress, &mut take)
            });
            let went_on = match result {
                Ok(went_on) => went_on,
                Err(error) => {
                    let message = format!("the file cannot be read on: {error}");
                    chunk.parse(progress, &mut take)
                        && take(Err(Problem::new(Origin::file(file.name.clone()), message)))
                }
            };
            if !went_on {
                return;
            }
        }
        chunk.parse(progress, &mut take);
    }
}

/// A document, or why there is none.
pub(super) type Read = Result<Placed, Problem>;

/// A document and where it is.
#[derive(Debug)]
pub(super) struct Placed {
    pub file: Arc<str>,
    /// Lines of the file before the document.
    pub lines_before: u32,
    pub document: Document,
}

/// The text of one document.
pub(super) struct Text {
    file: Arc<str>,
    lines_before: u32,
    text: String,
}

/// Documents that are parsed together.
#[derive(Default)]
struct Chunk {
    texts: Vec<Text>,
    bytes: usize,
}

impl Chunk {
    const BYTES: usize = 4 << 20;

    fn parse(&mut self, progress: &dyn Progress, take: &mut impl FnMut(Read) -> bool) -> bool {
        let texts = std::mem::take(&mut self.texts);
        let parsed: Vec<_> = texts.into_par_iter().map(Text::parse).collect();
        progress.bytes(std::mem::take(&mut self.bytes) as u64);
        parsed.into_iter().flatten().all(take)
    }
}

impl WorldFile {
    /// Cuts the file where a line begins with `---`, which begins a document wherever it stands. Returns false when
    /// `take` did.
    fn documents(&self, mut take: impl FnMut(Text) -> bool) -> io::Result<bool> {
        let mut reader: Box<dyn BufRead + '_> = match &self.content {
            Content::Path(path, _) => Box::new(BufReader::with_capacity(1 << 16, File::open(path)?)),
            Content::Text(text) => Box::new(text.as_bytes()),
        };
        let (mut text, mut line) = (String::new(), String::new());
        let (mut lines_before, mut lines) = (0, 0);
        loop {
            line.clear();
            let end = reader.read_line(&mut line)? == 0;
            let begins = line.strip_prefix("---").filter(|rest| rest.starts_with(char::is_whitespace));
            if end || begins.is_some() {
                let text = std::mem::take(&mut text);
                if !take(Text { file: self.name.clone(), lines_before, text }) {
                    return Ok(false);
                }
                lines_before = lines;
            }
            if end {
                return Ok(true);
            }
            lines += 1;
            // What follows on the line belongs to the document and keeps its column.
            text.push_str(if begins.is_some() { "   " } else { "" });
            text.push_str(begins.unwrap_or(&line));
        }
    }
}

impl Text {
    /// Deepest nesting of lists and maps: 30 entities one below the other; `parent` goes deeper. Bounds the stack.
    pub(super) const DEPTH_MAX: usize = 64;

    /// The document, if there is more than blanks and comments, after what is wrong with it.
    fn parse(self) -> Vec<Read> {
        let (mut problems, document) = reading(|| self.document());
        let document = match document {
            Ok(document) => {
                if let (false, Some(document)) = (problems.is_empty(), &document) {
                    each_lost(document, &mut |lost, missing| problems[lost.mistake].loses.push(missing));
                }
                document
            }
            Err(mut problem) => {
                // An item that cannot be passed over was first taken for one that can.
                problems.pop_if(|last| last.origin.position == problem.origin.position);
                if problems.len() >= UNREADABLE_MAX {
                    problem.message += &format!("; it is the last of over {UNREADABLE_MAX} mistakes");
                }
                problem.message += "; the whole document is left out";
                problems.insert(0, problem);
                None
            }
        };
        let Self { file, lines_before, .. } = self;
        let placed = document.map(|document| Ok(Placed { file, lines_before, document }));
        problems.into_iter().map(Err).chain(placed).collect()
    }

    fn document(&self) -> Result<Option<Document>, Problem> {
        let mut path = String::new();
        let options = serde_saphyr::options! {
            // Files may be large; what is nested or repeated without end is a mistake or an attack.
            budget: serde_saphyr::budget! {
                max_depth: Self::DEPTH_MAX,
                max_events: usize::MAX,
                max_nodes: usize::MAX,
                max_total_scalar_bytes: usize::MAX,
            },
            strict_booleans: true,
            // Refused by what is read, so that it costs one item only.
            duplicate_keys: DuplicateKeyPolicy::PassThrough,
            with_snippet: false,
            // Refused later, with the name of the variable.
            non_finite_float_policy: NonFiniteFloatPolicy::PassThrough,
        };
        let parsed =
            serde_saphyr::with_deserializer_from_str_with_options(&self.text, options, |deserializer| {
                serde_path_to_error::deserialize(deserializer).map_err(|error| {
                    path = field_path(error.path());
                    error.into_inner()
                })
            });
        parsed.map_err(|error| {
            let mut origin = Origin::file(self.file.clone());
            if let Some(location) = error.location() {
                let [line, column] =
                    [location.line(), location.column()].map(|n| u32::try_from(n).unwrap_or(u32::MAX));
                origin = origin.at(self.lines_before.saturating_add(line), column);
            }
            if !path.is_empty() {
                origin = origin.part(path);
            }
            Problem::new(origin, in_words(&error))
        })
    }
}

/// The path without the steps into [`super::marked::Marked`], which are no fields of the format.
fn field_path(path: &serde_path_to_error::Path) -> String {
    let mut text = String::new();
    // After `values` come the names of a component and a variable, which may be anything.
    let mut names = 0;
    for segment in path.iter() {
        match segment {
            Segment::Map { key } if key == "value" && names == 0 => continue,
            Segment::Map { key } => {
                if !text.is_empty() {
                    text.push('.');
                }
                text.push_str(key);
                names = if names > 0 {
                    names - 1
                } else if key == "values" {
                    2
                } else {
                    0
                };
            }
            Segment::Seq { index } => text.push_str(&format!("[{index}]")),
            Segment::Enum { .. } | Segment::Unknown => {}
        }
    }
    text
}
