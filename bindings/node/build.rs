//! Lets the linker leave to Node what Node has.

fn main() {
    napi_build::setup();
}
