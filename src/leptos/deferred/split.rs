//! With the feature `split`: each is a part of its own, and a part that cannot be loaded is an error.

use leptos::wasm_split::SplitLoaderError;

use crate::leptos::CallError;
use crate::session::SessionError;

#[doc(hidden)]
#[macro_export]
macro_rules! __deferred {
    (($($meta:tt)*) ($visibility:vis) $name:ident ($($argument:ident: $type:ty),*) ($ok:ty) ($error:ty) $body:block) => {
        $($meta)*
        #[::leptos::wasm_split::wasm_split(
            $name,
            wasm_split_path = ::leptos::wasm_split,
            fallible,
            return_wrapper(let future = _; { future.await } -> Result<$ok, $error>)
        )]
        $visibility fn $name($($argument: $type),*) -> ::std::pin::Pin<Box<dyn Future<Output = Result<$ok, $error>>>> {
            async fn work($($argument: $type),*) -> Result<$ok, $error> $body
            Box::pin(work($($argument),*))
        }
    };
}

impl From<SplitLoaderError> for SessionError {
    fn from(_: SplitLoaderError) -> Self {
        Self::PartMissing
    }
}

impl From<SplitLoaderError> for CallError {
    fn from(_: SplitLoaderError) -> Self {
        SessionError::PartMissing.into()
    }
}
