//! Batches in a file, so that the raw engine can be given what the store wrote.

use std::{
    fs::File,
    io::{self, BufReader, BufWriter, Read, Write},
    path::Path,
};

use entitygraph_store::keyed::engine::WriteBatch;

/// The length that stands for "deleted".
const DELETED: u32 = u32::MAX;

/// Appends batches to a file.
pub struct Writer(BufWriter<File>);

impl Writer {
    /// A new file.
    pub fn create(path: &Path) -> io::Result<Self> {
        Ok(Self(BufWriter::new(File::create(path)?)))
    }

    /// Appends a batch.
    pub fn push(&mut self, batch: &WriteBatch) -> io::Result<()> {
        self.0.write_all(&(batch.len() as u32).to_le_bytes())?;
        for (key, value) in batch.changes() {
            self.0.write_all(&(key.len() as u32).to_le_bytes())?;
            self.0.write_all(&value.map_or(DELETED, |value| value.len() as u32).to_le_bytes())?;
            self.0.write_all(key)?;
            self.0.write_all(value.unwrap_or_default())?;
        }
        Ok(())
    }

    /// Ends the file.
    pub fn finish(mut self) -> io::Result<()> {
        self.0.flush()
    }
}

/// Reads the batches of a file.
pub struct Reader(BufReader<File>);

impl Reader {
    /// From the beginning.
    pub fn open(path: &Path) -> io::Result<Self> {
        Ok(Self(BufReader::with_capacity(1 << 20, File::open(path)?)))
    }

    /// All batches, for a run that reading must not interrupt: the engine's threads would catch up meanwhile.
    pub fn all(mut self) -> io::Result<Vec<WriteBatch>> {
        std::iter::from_fn(|| self.next().transpose()).collect()
    }

    /// The next batch, if there is one more.
    fn next(&mut self) -> io::Result<Option<WriteBatch>> {
        let count = match self.number() {
            Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => return Ok(None),
            count => count?,
        };
        let mut batch = WriteBatch::new();
        let (mut key, mut value) = (Vec::new(), Vec::new());
        for _ in 0..count {
            let (key_length, value_length) = (self.number()?, self.number()?);
            self.bytes(key_length, &mut key)?;
            if value_length == DELETED {
                batch.delete(&key);
            } else {
                self.bytes(value_length, &mut value)?;
                batch.put(&key, &value);
            }
        }
        Ok(Some(batch))
    }

    fn number(&mut self) -> io::Result<u32> {
        let mut bytes = [0; 4];
        self.0.read_exact(&mut bytes)?;
        Ok(u32::from_le_bytes(bytes))
    }

    fn bytes(&mut self, length: u32, into: &mut Vec<u8>) -> io::Result<()> {
        into.resize(length as usize, 0);
        self.0.read_exact(into)
    }
}
