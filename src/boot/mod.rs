//! The composition root: the only place that names every concrete type.

mod app;
mod calls;
mod folder;
mod greeting;
mod serve;

pub use folder::{Opened, begin_import, open_folder, open_store, settings_at_rest};
pub use serve::serve;
