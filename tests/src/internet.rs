//! An internet on this machine: homes behind routers, and a server between them.
//!
//! Owns namespaces of the kernel's network. They are made inside one that leads nowhere, in a process
//! of its own that takes everything with it when it ends: no names to clean up, nothing that could
//! get out. Routers translate addresses, and so that no two homes find each other by guessing: every
//! connection gets a port by chance.

use anyhow::{Context, Result, bail, ensure};
use std::net::{Ipv4Addr, TcpListener, TcpStream};
use std::os::fd::OwnedFd;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::thread;

/// What every home reaches.
pub const SERVER: Ipv4Addr = Ipv4Addr::new(203, 0, 113, 1);

const INSIDE: &str = "ROOST_INTERNET";

/// Runs a test, with its name, in an internet that it is alone in.
///
/// # Errors
/// If this machine does not allow that, or the test fails.
pub fn alone(test: &str, journey: impl FnOnce() -> Result<()>) -> Result<()> {
    if std::env::var_os(INSIDE).is_some() {
        return journey();
    }
    let possible = apart().arg("true").status();
    let possible = possible.context("starting unshare (apt-get install util-linux)")?;
    ensure!(
        possible.success(),
        "this machine lets nobody make a network of its own: run the test as root, or allow user \
         namespaces (sysctl kernel.unprivileged_userns_clone=1, and where there is AppArmor \
         kernel.apparmor_restrict_unprivileged_userns=0)"
    );
    let status = apart()
        .args(["sh", "-ec", BEGIN])
        .arg(std::env::current_exe()?)
        .args(["--exact", test, "--nocapture"])
        .env(INSIDE, "yes")
        .status()?;
    ensure!(status.success(), "the test failed in its own network");
    Ok(())
}

/// Namespaces for network, names of namespaces and processes, which end with the first process.
fn apart() -> Command {
    let mut command = Command::new("unshare");
    if !rustix::process::geteuid().is_root() {
        command.args(["--user", "--map-root-user"]);
    }
    command.args(["--net", "--mount", "--pid", "--mount-proc"]);
    command.args(["--fork", "--kill-child"]);
    command
}

/// A home: a network behind a router, with one computer in it.
pub struct Home {
    number: u8,
    room: u8,
}

impl Home {
    /// # Errors
    /// If `ip` or `nft` are missing or fail.
    pub fn build(number: u8) -> Result<Self> {
        let home = Self { number, room: 1 };
        shell(ROUTER, &[number])?;
        home.comes_online()?;
        Ok(home)
    }

    /// A program on the computer of this home.
    #[must_use]
    pub fn command(&self, program: &str) -> Command {
        let mut command = Command::new("nsenter");
        command.arg(format!("--net={}", self.place().display()));
        command.arg(program);
        command
    }

    /// The cable is pulled.
    ///
    /// # Errors
    /// If it cannot be.
    pub fn goes_offline(&self) -> Result<()> {
        shell(PULL, &[self.number, self.room])
    }

    /// In another room, by another cable, with another address.
    ///
    /// # Errors
    /// If it cannot be.
    pub fn moves(&mut self) -> Result<()> {
        self.room = self.room.checked_add(1).context("a room")?;
        self.comes_online()
    }

    /// A port of this side that leads to one of the computer's own.
    ///
    /// # Errors
    /// If none can be had.
    pub fn door(&self, port: u16) -> Result<u16> {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?;
        let door = listener.local_addr()?.port();
        let place = self.place();
        thread::spawn(move || {
            for stream in listener.incoming().map_while(Result::ok) {
                let place = place.clone();
                thread::spawn(move || lead(stream, &place, port));
            }
        });
        Ok(door)
    }

    fn comes_online(&self) -> Result<()> {
        shell(LINE, &[self.number, self.room])
    }

    fn place(&self) -> PathBuf {
        PathBuf::from(format!("/run/netns/home{}", self.number))
    }
}

/// Has a program in the other network copy both ways.
fn lead(stream: TcpStream, place: &Path, port: u16) -> Result<()> {
    let back = OwnedFd::from(stream.try_clone()?);
    Command::new("nsenter")
        .arg(format!("--net={}", place.display()))
        .args(["bash", "-c", COPY, &port.to_string()])
        .stdin(OwnedFd::from(stream))
        .stdout(back)
        .stderr(Stdio::null())
        .status()?;
    Ok(())
}

fn shell(script: &str, numbers: &[u8]) -> Result<()> {
    let output = Command::new("sh")
        .args(["-ec", script, "sh"])
        .args(numbers.iter().map(u8::to_string))
        .output()?;
    if !output.status.success() {
        bail!(
            "no network could be made (apt-get install iproute2 nftables): {}",
            String::from_utf8_lossy(&output.stderr)
        );
    }
    Ok(())
}

/// Names of namespaces are kept where nobody else's are. The server's address leads nowhere else.
const BEGIN: &str = r#"
export PATH="$PATH:/usr/sbin:/sbin"
mount -t tmpfs tmpfs /run
ip link set lo up
ip address add 203.0.113.1/32 dev lo
echo 1 >/proc/sys/net/ipv4/ip_forward
exec "$0" "$@"
"#;

/// A router with a cable to the server, and one to each of two rooms; nobody may call it from
/// outside.
const ROUTER: &str = r#"
ip netns add router$1
ip netns add home$1
ip link add line$1 type veth peer name outside netns router$1
ip address add 198.51.100.$(($1 * 4 + 1))/30 dev line$1
ip link set line$1 up
nsenter --net=/run/netns/home$1 ip link set lo up
nsenter --net=/run/netns/router$1 sh -e -s $1 <<'END'
ip link set lo up
ip address add 198.51.100.$(($1 * 4 + 2))/30 dev outside
ip link set outside up
ip route add default via 198.51.100.$(($1 * 4 + 1))
for room in 1 2; do
    ip link add room$room type veth peer name eth$room netns home$1
    ip address add 192.168.$(($1 * 10 + room)).1/24 dev room$room
    ip link set room$room up
done
echo 1 >/proc/sys/net/ipv4/ip_forward
nft 'table ip router {
    chain out { type nat hook postrouting priority srcnat; oifname "outside" masquerade fully-random; }
    chain in {
        type filter hook forward priority filter; policy drop;
        ct state established,related accept
        iifname != "outside" accept
    }
}'
END
"#;

const LINE: &str = r#"
nsenter --net=/run/netns/home$1 sh -e -s $1 $2 <<'END'
ip address add 192.168.$(($1 * 10 + $2)).2/24 dev eth$2
ip link set eth$2 up
ip route add default via 192.168.$(($1 * 10 + $2)).1
END
"#;

const PULL: &str = "nsenter --net=/run/netns/home$1 ip link set eth$2 down";

/// Between standard input and output and a port of this network.
const COPY: &str = "exec 3<>/dev/tcp/127.0.0.1/$0; cat <&3 & cat >&3; wait";
