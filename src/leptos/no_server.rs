//! Without the feature `ssr` there is no request.

pub(super) fn name_of_request() -> Option<String> {
    None
}
