//! Where the frames of a backup go: a thread of its own, because compressing and disks take time.

use std::{
    fs::{File, OpenOptions},
    io::{self, BufWriter, ErrorKind, Seek, SeekFrom, Write},
    path::{Path, PathBuf},
};

use tokio::{sync::mpsc, task::JoinHandle};

use super::{
    bytes::FrameWriter,
    frame::{Frame, Kind},
    state::State,
};
use crate::moving::{MoveError, Result};

/// Frames that wait to be written: the store is read on while one is compressed.
const WAITING: usize = 4;

/// Bytes that are written at once.
const BUFFER_BYTES: usize = 1 << 20;

/// See the module.
pub struct Sink {
    path: PathBuf,
    frames: mpsc::Sender<Frame>,
    /// Ends with the bytes of the frames before compression.
    writer: JoinHandle<Result<u64>>,
}

impl Sink {
    /// Begins a file, or with `end` goes on with one there: what is behind that place stays until there is something to
    /// replace it.
    pub fn open(path: &Path, end: Option<u64>) -> Result<Self> {
        let file = OpenOptions::new().write(true).create(end.is_none()).truncate(end.is_none()).open(path);
        let file = file.map_err(MoveError::file(path, "written"))?;
        let tail = Tail { file, end };
        let out = BufWriter::with_capacity(BUFFER_BYTES, tail);
        let writer = match end {
            Some(_) => FrameWriter::resume(out),
            None => FrameWriter::begin(out).map_err(MoveError::file(path, "written"))?,
        };
        let (frames, waiting) = mpsc::channel(WAITING);
        let writer = {
            let path = path.to_owned();
            tokio::task::spawn_blocking(move || {
                write(writer, waiting).map_err(MoveError::file(&path, "written"))
            })
        };
        Ok(Self { path: path.to_owned(), frames, writer })
    }

    /// Appends a frame, of which `state` takes account as soon as there is room for it: who gives up before has appended nothing.
    pub async fn put(&mut self, frame: Frame, state: &mut State) -> Result<()> {
        if let Ok(room) = self.frames.reserve().await {
            state.note(&frame);
            room.send(frame);
            return Ok(());
        }
        // The writer ended early: it says why.
        let (closed, _) = mpsc::channel(1);
        self.frames = closed;
        match (&mut self.writer).await {
            Ok(Err(error)) => Err(error),
            Ok(Ok(_)) => Err(stopped(&self.path, "it took no more frames")),
            Err(error) => Err(stopped(&self.path, &error.to_string())),
        }
    }

    /// Makes what was put durable; returns the bytes of it before compression.
    pub async fn finish(self) -> Result<u64> {
        drop(self.frames);
        self.writer.await.map_err(|error| stopped(&self.path, &error.to_string()))?
    }
}

fn stopped(path: &Path, why: &str) -> MoveError {
    MoveError::file(path, "written")(io::Error::new(ErrorKind::BrokenPipe, why.to_owned()))
}

fn write(mut writer: FrameWriter<BufWriter<Tail>>, mut waiting: mpsc::Receiver<Frame>) -> io::Result<u64> {
    let mut follows = false;
    while let Some(frame) = waiting.blocking_recv() {
        writer.write(&frame)?;
        follows |= frame.kind() == Kind::Commits;
        if waiting.is_empty() {
            // Whoever follows a store for days wants what came so far to be there after a power cut.
            writer.get_mut().flush()?;
            if std::mem::take(&mut follows) {
                writer.get_mut().get_ref().file.sync_data()?;
            }
        }
    }
    let logical_bytes = writer.logical_bytes;
    let tail = writer.into_inner().into_inner().map_err(io::IntoInnerError::into_error)?;
    tail.file.sync_all()?;
    Ok(logical_bytes)
}

/// The end of a file.
struct Tail {
    file: File,
    /// Where the next bytes go, until the first are written.
    end: Option<u64>,
}

impl Write for Tail {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        if let Some(end) = self.end.take() {
            self.file.set_len(end)?;
            self.file.seek(SeekFrom::Start(end))?;
        }
        self.file.write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.file.flush()
    }
}
