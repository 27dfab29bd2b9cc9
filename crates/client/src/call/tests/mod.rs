//! Whole calls between machines, over a network that loses, doubles and reorders what it likes.

mod forgery;
mod network;
mod story;
