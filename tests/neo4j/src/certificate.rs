//! A certificate that a server signed itself.

use std::{
    fs,
    net::{IpAddr, Ipv4Addr},
    path::{Path, PathBuf},
    sync::Arc,
};

use anyhow::Result;
use rcgen::{CertifiedKey, generate_simple_self_signed};
use tokio::net::TcpStream;
use tokio_rustls::{
    TlsConnector,
    client::TlsStream,
    rustls::{
        ClientConfig, RootCertStore, crypto,
        pki_types::{CertificateDer, ServerName, pem::PemObject},
    },
};

/// The certificate of a server's Bolt port, for `127.0.0.1` and `localhost`.
#[derive(Debug)]
pub struct Certificate {
    file: PathBuf,
}

impl Certificate {
    /// The certificate in a server's folder, made if there is none, where Neo4j looks for it.
    pub fn of(folder: &Path) -> Result<Self> {
        let folder = folder.join("certificates/bolt");
        let file = folder.join("public.crt");
        if !file.exists() {
            let names = ["127.0.0.1".to_owned(), "localhost".to_owned()];
            let CertifiedKey { cert, signing_key } = generate_simple_self_signed(names)?;
            fs::create_dir_all(&folder)?;
            fs::write(folder.join("private.key"), signing_key.serialize_pem())?;
            fs::write(&file, cert.pem())?;
        }
        Ok(Self { file })
    }

    /// The certificate's file (PEM).
    pub fn file(&self) -> &Path {
        &self.file
    }

    /// TLS as a client that trusts this certificate and no other.
    pub async fn connect(&self, stream: TcpStream) -> Result<TlsStream<TcpStream>> {
        let mut trusted = RootCertStore::empty();
        trusted.add(CertificateDer::from_pem_file(&self.file)?)?;
        let config = ClientConfig::builder_with_provider(Arc::new(crypto::ring::default_provider()))
            .with_safe_default_protocol_versions()?
            .with_root_certificates(trusted)
            .with_no_client_auth();
        let name = ServerName::IpAddress(IpAddr::from(Ipv4Addr::LOCALHOST).into());
        Ok(TlsConnector::from(Arc::new(config)).connect(name, stream).await?)
    }
}
