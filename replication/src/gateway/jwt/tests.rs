use aws_lc_rs::{
    encoding::{AsDer, Pkcs8V1Der, PublicKeyX509Der},
    rsa,
    signature::{ECDSA_P256_SHA256_FIXED_SIGNING, ECDSA_P384_SHA384_FIXED_SIGNING, EcdsaKeyPair, KeyPair},
};
use base64::{Engine, engine::general_purpose::STANDARD, engine::general_purpose::URL_SAFE_NO_PAD};
use jsonwebtoken::{EncodingKey, Header, encode};
use serde::Serialize;

use super::*;

const SECRET: &[u8] = b"0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef";
const NOW_US: u64 = 1_800_000_000_000_000;

#[derive(Serialize, Clone)]
struct Said {
    sub: String,
    role: &'static str,
    exp: u64,
    shard: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    nbf: Option<u64>,
}

fn said() -> Said {
    Said { sub: "ada".into(), role: "player", exp: NOW_US / 1_000_000 + 60, shard: 7, nbf: None }
}

fn hs(said: &impl Serialize) -> String {
    encode(&Header::new(Algorithm::HS256), said, &EncodingKey::from_secret(SECRET).unwrap()).unwrap()
}

fn pem(what: &str, der: &[u8]) -> Vec<u8> {
    format!("-----BEGIN {what}-----\n{}\n-----END {what}-----\n", STANDARD.encode(der)).into_bytes()
}

/// A key that tokens are made with, and the public one.
fn pair(algorithm: Algorithm) -> (EncodingKey, Vec<u8>) {
    match algorithm {
        Algorithm::ES256 | Algorithm::ES384 => {
            let signing = if algorithm == Algorithm::ES256 {
                &ECDSA_P256_SHA256_FIXED_SIGNING
            } else {
                &ECDSA_P384_SHA384_FIXED_SIGNING
            };
            let pair = EcdsaKeyPair::generate(signing).unwrap();
            let private = pair.to_pkcs8v1().unwrap();
            let public: PublicKeyX509Der<'_> = pair.public_key().as_der().unwrap();
            (EncodingKey::from_ec_der(private.as_ref()), pem("PUBLIC KEY", public.as_ref()))
        }
        _ => {
            let pair = rsa::KeyPair::generate(rsa::KeySize::Rsa2048).unwrap();
            let private: Pkcs8V1Der<'_> = pair.as_der().unwrap();
            let public: PublicKeyX509Der<'_> = pair.public_key().as_der().unwrap();
            let key = EncodingKey::from_rsa_pem(&pem("PRIVATE KEY", private.as_ref())).unwrap();
            (key, pem("PUBLIC KEY", public.as_ref()))
        }
    }
}

fn keys() -> Vec<Key> {
    vec![Key::new("HS256", SECRET).unwrap()]
}

#[test]
fn tokens_of_each_family_say_who_comes() {
    let bearer = Bearer { subject: "ada".into(), role: Role::Player, until_us: Some(said().exp * 1_000_000) };
    for (name, algorithm) in [
        ("HS256", Algorithm::HS256),
        ("HS384", Algorithm::HS384),
        ("HS512", Algorithm::HS512),
        ("RS256", Algorithm::RS256),
        ("RS384", Algorithm::RS384),
        ("RS512", Algorithm::RS512),
        ("ES256", Algorithm::ES256),
        ("ES384", Algorithm::ES384),
    ] {
        let (private, public) = match name.starts_with("HS") {
            true => (EncodingKey::from_secret(SECRET).unwrap(), SECRET.to_vec()),
            false => pair(algorithm),
        };
        let token = encode(&Header::new(algorithm), &said(), &private).unwrap();
        // Keys are tried in turn: one that is no more used for new tokens stands beside its successor.
        let mut all = keys();
        all.extend((!name.starts_with("HS")).then(|| Key::new(name, &pair(algorithm).1).unwrap()));
        all.push(Key::new(name, &public).unwrap());
        assert_eq!(judged(&token, &all, 7, NOW_US).as_ref(), Ok(&bearer), "{name}");
        let other = match name.starts_with("HS") {
            true => Key::new(name, &[9; 64]).unwrap(),
            false => Key::new(name, &pair(algorithm).1).unwrap(),
        };
        assert_eq!(judged(&token, &[other], 7, NOW_US), Err(JwtError::Refused), "{name}, another key");
    }
}

#[test]
fn a_token_that_says_no_algorithm_or_the_wrong_one_is_nobodys() {
    let claims = URL_SAFE_NO_PAD.encode(serde_json::to_vec(&said()).unwrap());
    let header = URL_SAFE_NO_PAD.encode(br#"{"alg":"none","typ":"JWT"}"#);
    assert_eq!(judged(&format!("{header}.{claims}."), &keys(), 7, NOW_US), Err(JwtError::Form));
    // The public key of RS256 as the secret of HS256: who has only the former must not make tokens.
    let (_, public) = pair(Algorithm::RS256);
    let forged =
        encode(&Header::new(Algorithm::HS256), &said(), &EncodingKey::from_secret(&public).unwrap()).unwrap();
    let rs = [Key::new("RS256", &public).unwrap()];
    assert_eq!(judged(&forged, &rs, 7, NOW_US), Err(JwtError::Algorithm));
}

#[test]
fn each_claim_counts() {
    let judge = |said: Said| judged(&hs(&said), &keys(), 7, NOW_US);
    assert!(judge(said()).is_ok());
    assert_eq!(judge(Said { shard: 8, ..said() }), Err(JwtError::Shard));
    assert_eq!(judge(Said { exp: NOW_US / 1_000_000, ..said() }), Err(JwtError::Time));
    assert_eq!(judge(Said { nbf: Some(NOW_US / 1_000_000 + 1), ..said() }), Err(JwtError::Time));
    assert_eq!(judge(Said { role: "admin", ..said() }), Err(JwtError::Refused));
    assert_eq!(judge(Said { sub: String::new(), ..said() }), Err(JwtError::Refused));
    assert_eq!(judge(Said { sub: "a".repeat(257), ..said() }), Err(JwtError::Refused));
    for lacks in ["sub", "role", "exp", "shard"] {
        let mut claims = serde_json::to_value(said()).unwrap();
        claims.as_object_mut().unwrap().remove(lacks);
        assert_eq!(judged(&hs(&claims), &keys(), 7, NOW_US), Err(JwtError::Refused), "without {lacks}");
        claims[lacks] = serde_json::json!([]);
        assert_eq!(
            judged(&hs(&claims), &keys(), 7, NOW_US),
            Err(JwtError::Refused),
            "{lacks} of another type"
        );
    }
}

#[test]
fn a_token_with_any_character_changed_is_refused() {
    let token = hs(&said());
    for at in 0..token.len() {
        let mut changed = token.clone().into_bytes();
        changed[at] = if changed[at] == b'A' { b'B' } else { b'A' };
        let changed = String::from_utf8(changed).unwrap();
        if changed != token {
            assert!(judged(&changed, &keys(), 7, NOW_US).is_err(), "character {at}");
        }
    }
    for end in 0..token.len() {
        assert!(judged(&token[..end], &keys(), 7, NOW_US).is_err(), "{end} characters");
    }
}

#[test]
fn keys_are_strong_known_and_never_shown() {
    assert_eq!(
        Key::new("HS256", b"secret").unwrap_err(),
        KeyError::Short { algorithm: "HS256".into(), bytes: 6 }
    );
    assert!(matches!(Key::new("none", SECRET), Err(KeyError::Algorithm(_))));
    assert!(matches!(Key::new("EdDSA", SECRET), Err(KeyError::Algorithm(_))));
    let error = Key::new("RS256", SECRET).unwrap_err();
    assert!(matches!(error, KeyError::Pem { .. }) && !format!("{error} {error:?}").contains("0123456789"));
    let shown = format!("{:?}", keys());
    assert!(shown.contains("HS256") && !shown.contains("0123") && !shown.contains("48, 49"), "{shown}");
}
