//! Runs of real processes that are listened to.
