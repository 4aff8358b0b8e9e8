//! Verifying stores while others are built.

#[cfg(feature = "netcdf")]
pub use with_libnetcdf::Verifier;
#[cfg(not(feature = "netcdf"))]
pub use without_libnetcdf::Verifier;

#[cfg(feature = "netcdf")]
mod with_libnetcdf {
    use rayon::{ThreadPool, ThreadPoolBuilder};

    use crate::model::error::{Code, Error, Result};
    use crate::pipeline::verify;
    use crate::verify::{Published, Scope, Verification};

    /// Verifies one store at a time, always on the same thread: libnetcdf takes one call at a time,
    /// and keeps HDF5 from printing its errors in the thread that called it first, but in no other.
    #[derive(Debug)]
    pub struct Verifier {
        scope: Scope,
        thread: ThreadPool,
    }

    impl Verifier {
        /// One that verifies so much of each store.
        pub fn new(scope: Scope) -> Result<Self> {
            let thread = ThreadPoolBuilder::new().num_threads(1).build().map_err(|error| {
                Error::new(Code::Internal, format!("cannot start the verifying thread: {error}"))
            })?;
            Ok(Self { scope, thread })
        }

        /// Verifies a store.
        pub fn verify(&self, published: &Published) -> Verification {
            self.thread.install(|| verify::guarded(published, &self.scope))
        }
    }
}

#[cfg(not(feature = "netcdf"))]
mod without_libnetcdf {
    use crate::model::error::{Error, Result};
    use crate::verify::{Published, Scope, Verification};

    /// There is none.
    #[derive(Debug)]
    pub enum Verifier {}

    impl Verifier {
        /// Says that there is none.
        pub fn new(_: Scope) -> Result<Self> {
            Err(Error::unsupported("verifying without libnetcdf"))
        }

        /// Never comes about.
        pub fn verify(&self, _: &Published) -> Verification {
            match *self {}
        }
    }
}
