//! Starts processes that die with this one, however it ends.

use std::{
    io,
    os::unix::process::CommandExt,
    process::{Child, Command},
    sync::{OnceLock, mpsc},
    thread,
};

type Order = (Command, mpsc::SyncSender<io::Result<Child>>);

/// Starts a program that the kernel kills when this process is gone.
///
/// The kernel means the *thread* that started it, and a test's thread ends with the test. So one thread starts them all, and
/// stays.
pub fn spawn(program: &str, arguments: impl FnOnce(&mut Command)) -> io::Result<Child> {
    static KEEPER: OnceLock<mpsc::Sender<Order>> = OnceLock::new();
    let keeper = KEEPER.get_or_init(|| {
        let (orders, received) = mpsc::channel::<Order>();
        thread::spawn(move || {
            for (mut command, answer) in received {
                let _ = answer.send(command.spawn()); // nobody waits for it any more: it is dropped here
            }
        });
        orders
    });
    // A child can only ask for that itself, and `setpriv` does so before it becomes the program.
    let mut command = Command::new("setpriv");
    command.args(["--pdeathsig", "KILL", program]);
    // In a group of its own: Ctrl-C in a terminal is for whoever started the server, and that one stops it.
    command.process_group(0);
    arguments(&mut command);
    let (answer, child) = mpsc::sync_channel(1);
    let gone = || io::Error::other("the thread that starts processes is gone");
    keeper.send((command, answer)).map_err(|_| gone())?;
    child.recv().map_err(|_| gone())?
}
