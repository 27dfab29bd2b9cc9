//! Embedded static files under `/assets/<set>/`: the set's name changes with any of them, so they
//! may be cached for ever.

use crate::http::guard::headers;
use actix_web::http::header::{
    ACCEPT_ENCODING, CACHE_CONTROL, CONTENT_ENCODING, CONTENT_TYPE, ETAG, IF_NONE_MATCH, VARY,
};
use actix_web::{HttpRequest, HttpResponse, web};
use roost_wire::text;

/// One embedded file.
pub struct Asset {
    pub path: &'static str,
    pub content_type: &'static str,
    pub bytes: &'static [u8],
    pub brotli: Option<&'static [u8]>,
    pub sha256: [u8; 32],
}

include!(concat!(env!("OUT_DIR"), "/assets.rs"));

const FOR_EVER: &str = "public, max-age=31536000, immutable";

/// The file at this path inside the set.
fn find(path: &str) -> Option<&'static Asset> {
    let index = ASSETS.binary_search_by(|asset| asset.path.cmp(path)).ok()?;
    ASSETS.get(index)
}

/// `GET /assets/{set}/{path}`.
pub async fn get(request: HttpRequest, place: web::Path<(String, String)>) -> HttpResponse {
    let (set, path) = place.into_inner();
    let Some(asset) = find(&path).filter(|_| set == ASSET_SET) else {
        return HttpResponse::NotFound()
            .insert_header((CACHE_CONTROL, "no-store"))
            .finish();
    };
    let tag = format!("\"{}\"", text::base64url(&asset.sha256));
    let mut response = HttpResponse::Ok();
    response
        .insert_header((CONTENT_TYPE, asset.content_type))
        .insert_header((CACHE_CONTROL, FOR_EVER))
        .insert_header((VARY, "accept-encoding"))
        .insert_header((ETAG, tag.clone()))
        .insert_header(headers::ASSET_POLICY);
    if names(&request, IF_NONE_MATCH.as_str(), &tag) {
        return response
            .status(actix_web::http::StatusCode::NOT_MODIFIED)
            .finish();
    }
    match asset.brotli {
        Some(brotli) if names(&request, ACCEPT_ENCODING.as_str(), "br") => response
            .insert_header((CONTENT_ENCODING, "br"))
            .body(web::Bytes::from_static(brotli)),
        _ => response.body(web::Bytes::from_static(asset.bytes)),
    }
}

/// Whether a list in a header has this item.
fn names(request: &HttpRequest, header: &str, item: &str) -> bool {
    let value = request.headers().get(header);
    value
        .and_then(|value| value.to_str().ok())
        .unwrap_or_default()
        .split(',')
        .filter_map(|one| one.split(';').next())
        .any(|one| one.trim() == item)
}

#[cfg(test)]
mod tests {
    use super::*;
    use actix_web::test::TestRequest;

    async fn answer(request: TestRequest, set: &str, path: &str) -> HttpResponse {
        let place = web::Path::from((set.to_owned(), path.to_owned()));
        get(request.to_http_request(), place).await
    }

    #[actix_web::test]
    async fn a_file_is_immutable_and_compressed_for_those_who_ask() {
        let plain = answer(TestRequest::get(), ASSET_SET, "css/app.css").await;
        let brotli = TestRequest::get().insert_header((ACCEPT_ENCODING, "gzip, br;q=1.0"));
        let brotli = answer(brotli, ASSET_SET, "css/app.css").await;

        assert_eq!(plain.status(), 200);
        assert_eq!(plain.headers().get(CACHE_CONTROL).unwrap(), FOR_EVER);
        assert!(plain.headers().get(CONTENT_ENCODING).is_none());
        assert_eq!(brotli.headers().get(CONTENT_ENCODING).unwrap(), "br");
    }

    #[actix_web::test]
    async fn a_known_file_is_not_sent_again() {
        let first = answer(TestRequest::get(), ASSET_SET, "css/app.css").await;
        let tag = first.headers().get(ETAG).unwrap().clone();

        let again = TestRequest::get().insert_header((IF_NONE_MATCH, tag));
        let again = answer(again, ASSET_SET, "css/app.css").await;

        assert_eq!(again.status(), 304);
    }

    #[actix_web::test]
    async fn other_sets_and_paths_are_not_there() {
        for (set, path) in [
            ("0000000000000000", "css/app.css"),
            (ASSET_SET, "../Cargo.toml"),
            (ASSET_SET, ""),
        ] {
            assert_eq!(answer(TestRequest::get(), set, path).await.status(), 404);
        }
    }
}
