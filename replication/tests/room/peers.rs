//! Peers over real sockets: a library's WebSocket, the view of the SDK.

use std::{net::SocketAddr, time::Duration};

use bytes::Bytes;
use entitygraph_client::stream::view::{View, frame};
use entitygraph_replication::socket::accept::SUBPROTOCOL;
use entitygraph_schema::{
    Epoch,
    wire::{
        Handle, Kind, Role, VERSION,
        control::{Control, Message as Body, message},
        exact::ExactRow,
        frame::Frames,
        limits::Limits,
        report,
    },
};
use futures_util::{SinkExt, StreamExt};
use tokio::{net::TcpStream, time::timeout};
use tokio_tungstenite::{
    WebSocketStream, client_async,
    tungstenite::{Message, client::IntoClientRequest},
};

/// One peer.
pub struct Peer {
    socket: WebSocketStream<TcpStream>,
    role: Role,
    pub view: View,
    /// Control frames that came and were not asked for yet.
    pub control: Vec<Control>,
    /// Code and text of the close, once it came.
    pub closed: Option<(u16, String)>,
    batch: u64,
}

impl Peer {
    /// A connection on which nothing was said.
    pub async fn connect(address: SocketAddr, role: Role) -> Self {
        let socket = TcpStream::connect(address).await.unwrap();
        socket.set_nodelay(true).unwrap();
        Self::over(socket, address, role).await
    }

    /// The same over a socket that is connected already.
    pub async fn over(socket: TcpStream, address: SocketAddr, role: Role) -> Self {
        let mut request = format!("ws://{address}/stream").into_client_request().unwrap();
        request.headers_mut().insert("sec-websocket-protocol", SUBPROTOCOL.parse().unwrap());
        let (socket, _) = client_async(request, socket).await.unwrap();
        let (view, control, closed, batch) = Default::default();
        Self { socket, role, view, control, closed, batch }
    }

    /// A session of this subject.
    pub async fn login(address: SocketAddr, role: Role, name: &str) -> Self {
        let mut peer = Self::connect(address, role).await;
        peer.greet(name).await;
        peer
    }

    /// Says Hello as this subject.
    pub async fn greet(&mut self, name: &str) -> message::Welcome {
        self.send(&hello(self.role, name)).await;
        let Control::Welcome(welcome) = self.until(Kind::Welcome).await else { panic!("a Welcome") };
        assert_eq!(welcome.version, VERSION);
        welcome
    }

    pub async fn send(&mut self, message: &impl Body) {
        self.send_bytes(frame(message)).await;
    }

    pub async fn send_bytes(&mut self, bytes: Vec<u8>) {
        self.socket.send(Message::Binary(bytes.into())).await.unwrap();
    }

    /// Goes on with the session of a resume token, with all that its peer has seen.
    pub async fn resume(&mut self, token: &[u8], of: Self, incarnation: u64) -> message::Welcome {
        self.view = of.view;
        let login = Some(message::hello::Login::Resume(token.to_vec()));
        let (seen, horizon_moment) = (self.view.seen(), self.view.horizon());
        let hello = hello(self.role, "");
        self.send(&message::Hello { login, incarnation, seen, horizon_moment, ..hello }).await;
        let Control::Welcome(welcome) = self.until(Kind::Welcome).await else { panic!("a Welcome") };
        welcome
    }

    /// Ends the socket without a word; what is on the way is lost.
    pub fn cut(&mut self) {
        self.socket.get_ref().set_zero_linger().unwrap();
    }

    /// Gives the socket out, to be read as bytes.
    pub fn into_socket(self) -> TcpStream {
        self.socket.into_inner()
    }

    /// Sends a message, if the hub still takes any.
    pub async fn try_send(&mut self, bytes: Vec<u8>) -> bool {
        self.socket.send(Message::Binary(bytes.into())).await.is_ok()
    }

    /// Takes one message, if one comes in time; answers what is bound with Ready.
    pub async fn take(&mut self, within: Duration) -> bool {
        let message: Bytes = match timeout(within, self.socket.next()).await {
            Err(_) => return false,
            Ok(Some(Ok(Message::Binary(message)))) => message,
            Ok(Some(Ok(Message::Close(close)))) => {
                self.closed = close.map(|close| (close.code.into(), close.reason.to_string()));
                return false;
            }
            Ok(Some(Ok(_))) => return true,
            Ok(None | Some(Err(_))) => return false,
        };
        for frame in Frames::new(&message, Limits::down(self.role)).unwrap() {
            let frame = frame.unwrap();
            assert!(frame.kind.down().has(self.role), "{} to a {:?}", frame.kind, self.role);
            if let Some(ready) = self.view.take(frame.kind, frame.body).unwrap() {
                self.send(&ready).await;
                self.send(&message::Seen { seq: self.view.seen() }).await;
            }
            if let Ok(control) = Control::read(frame.kind, frame.body) {
                self.control.push(control);
            }
        }
        true
    }

    /// Takes messages until one of this kind came, for at most five seconds.
    pub async fn until(&mut self, kind: Kind) -> Control {
        loop {
            if let Some(found) = self.control.iter().position(|control| control.kind() == kind) {
                return self.control.remove(found);
            }
            assert!(self.take(Duration::from_secs(5)).await, "no {kind}; closed: {:?}", self.closed);
        }
    }

    /// Takes messages until the hub closes; gives the code of Refused and that of the close.
    pub async fn until_closed(&mut self) -> (message::Code, u16) {
        while self.take(Duration::from_secs(5)).await {}
        let refused = self.control.iter().find_map(|control| match control {
            Control::Refused(refused) => Some(refused.code()),
            _ => None,
        });
        (refused.expect("Refused comes before the close"), self.closed.clone().expect("a close").0)
    }

    /// Reports one tick of everything given, under an epoch.
    pub async fn report(&mut self, epoch: Epoch, zone: Handle, tick: u64, rows: &[(Handle, ExactRow<'_>)]) {
        self.batch += 1;
        self.report_as(self.batch, epoch, zone, tick, rows).await;
    }

    /// The same as the report of this number.
    pub async fn report_as(
        &mut self,
        batch: u64,
        epoch: Epoch,
        zone: Handle,
        tick: u64,
        rows: &[(Handle, ExactRow<'_>)],
    ) {
        let mut bytes = Vec::new();
        let head = report::Head { batch, tick, last_of_tick: true };
        let mut report = report::ReportWriter::begin(&head, 1, &mut bytes);
        let mut group = report.group(epoch, zone, rows.iter().map(|(handle, _)| *handle));
        rows.iter().for_each(|(_, row)| group.row(row));
        group.end(&[], &[], &[]);
        report.end();
        self.send_bytes(bytes).await;
    }
}

pub fn hello(role: Role, name: &str) -> message::Hello {
    let subject = message::Subject { name: name.into(), role: message::Role::from(role).into() };
    message::Hello {
        version_min: VERSION,
        version_max: VERSION,
        login: Some(message::hello::Login::Subject(subject)),
        ..Default::default()
    }
}
