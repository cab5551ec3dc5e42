//! The web pages are embedded by a macro, which cargo cannot see: a new file in `web/` must rebuild this crate.

fn main() {
    println!("cargo::rerun-if-changed=web");
}
