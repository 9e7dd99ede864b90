"""Every network of the table, with ferryd and with vsftpd, by ferry and by three clients of others.

All of it is run side by side (the waits for filters that swallow calls overlap); each test then looks at its own
network.
"""
import concurrent.futures
import contextlib
import os
import pathlib
import re
import shutil
import tempfile

import pytest

from harness import certs, net, netclients
from networks import NETWORKS

TOP = pathlib.Path(__file__).parent.parent.parent
PEERS = TOP / ".dev" / "peers"
FERRY = TOP / "build" / "ferry" / "ferry"
CONTENT = os.urandom(65536)
CLIENTS = ("ferry", "curl", "lftp", "tnftp")
# A client's runs in which both connections are encrypted. (tnftp does not encrypt.)
ENCRYPTED = {"ferry": "ferry tls", "curl": "curl tls", "lftp": "lftp tls"}
ALL = (*CLIENTS, *ENCRYPTED.values())
WORLDS = 8  # at once
RUNS = 12   # at once in one world

pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="network namespaces need root")


def fill(root):
    (root / "f").write_bytes(CONTENT)


def tls_options(server, directory):
    """It offers TLS and demands nothing."""
    cert, key = certs.make(directory, "server", host=net.SERVER_OUTER)
    options = {"ssl_enable": "YES", "allow_anon_ssl": "YES", "rsa_cert_file": cert, "rsa_private_key_file": key}
    if server == "vsftpd":
        options.update(ssl_ciphers="HIGH", require_ssl_reuse="NO", force_local_logins_ssl="NO",
                       force_local_data_ssl="NO")
    return options


def needs_helper(network):
    return any(r and r.helper_port for r in (network.client, network.server))


class Study:
    """One network with one server: its world is made, every client tries every way, the world is removed."""

    def __init__(self, network, server, directory):
        self.network, self.server, self.directory = network, server, pathlib.Path(directory)
        self.runs = {}
        self.lacks = None

    def make(self):
        """Runs everything; or self.lacks says what the kernel cannot do."""
        n = self.network
        for router in (n.client, n.server):
            if router and not self.lacks:
                self.lacks = net.lacks(router.rules())
        if self.lacks:
            return
        jobs = [(name, way) for name in ALL for way in n.ways(name)] + [("allowed", "D"), ("allowed tls", "D")]
        if n.one_by_one:
            shares = [[job] for job in jobs]
        else:
            shares = [jobs]
        with concurrent.futures.ThreadPoolExecutor(RUNS) as pool:
            list(pool.map(self.make_share, shares, range(len(shares))))

    def make_share(self, jobs, number):
        """A world of its own for these runs."""
        n = self.network
        place = self.directory / str(number)
        with contextlib.ExitStack() as stack:
            world = net.World(n.client_hidden, n.server_hidden, n.families)
            stack.callback(world.close)
            for router, namespace in ((n.client, world.client_router), (n.server, world.server_router)):
                if router:
                    namespace.rules(router.rules())
            server = self.serve(world, place)
            stack.callback(server.stop)
            self.try_all(world, server, place, jobs)

    def serve(self, world, place):
        place.mkdir(parents=True)
        installed = TOP / "build" if self.server == "ferryd" else PEERS
        options = {**self.network.options, **tls_options(self.server, place)}
        return net.SERVERS[self.server](place, world, installed, self.network.port, options,
                                        tree=fill).start()

    def try_all(self, world, server, place, jobs):
        home = place / "home"
        home.mkdir()
        host, prefix = world.target, ()
        if self.network.named:
            host = "ftp.test"
            prefix = netclients.known_as(host, (net.SERVER_6, world.target), place / "hosts")
        client = netclients.Client(host, self.network.port, server.login, home, prefix)

        def go(job):
            with world.client:
                self.runs[job] = self.try_one(client, *job)

        with concurrent.futures.ThreadPoolExecutor(RUNS) as pool:
            list(pool.map(go, jobs))

    def try_one(self, client, name, way):
        program, tls = name.split()[0], name.endswith(" tls")
        if program == "allowed" or program == "ferry":
            more = ["--allow-active"] if program == "allowed" else [] if way == "D" else ["--explain"]
            return client.ferry(FERRY, way, CONTENT, netclients.FERRY_TLS[tls] + more, name.replace(" ", "."))
        if program == "tnftp":
            return client.tnftp(way, CONTENT)
        return getattr(client, program)(way, CONTENT, tls)

    def cell(self, name):
        text = "".join(way if self.runs[name, way].worked else "." for way in self.network.ways(name))
        if not name.startswith("ferry"):
            return text
        allowed = self.runs[name.replace("ferry", "allowed"), "D"].worked
        return ("A" if text[0] == "D" else "a" if allowed else ".") + text[1:]

    def expected(self, field):
        """A cell, or the codes."""
        return self.network.expected(field, self.server)

    def automatic(self):
        """The runs of ferry that chose themselves, in clear and encrypted."""
        return [self.runs[name, "D"] for name in ("ferry", "allowed", "ferry tls", "allowed tls")]

    def failures(self, name):
        """ferry's explained runs that did not work."""
        return [self.runs[name, way] for way in "EPep" if not self.runs[name, way].worked]

    def codes(self, name):
        """The verdicts of all of them."""
        lines = [line for run in self.failures(name) for line in re.findall(r"Codes?: +(.*)", run.out)]
        return set(re.findall(r"\b[A-Z]\d\d\b", " ".join(lines)))


ROWS = [(n, server) for n in NETWORKS for server in ("ferryd", "vsftpd")]


def row_id(row):
    return re.sub(r"[^\w/]+", "-", f"{row[0].name}/{row[1]}")


@pytest.fixture(scope="module")
def studies(request):
    """A function that gives the finished study of a row. What this session will ask for is begun at once, except
    under pytest-xdist, where every process would do everything, unless
    files are not divided (TESTS_BY_FILE)."""
    # not tmp_path: another session of pytest may close its parent to the accounts that serve
    top = pathlib.Path(tempfile.mkdtemp(prefix="ferry-net-"))
    top.chmod(0o755)
    pool = concurrent.futures.ThreadPoolExecutor(WORLDS)
    begun = {}

    def begin(row):
        if row_id(row) not in begun:
            study = Study(*row, top / row_id(row).replace("/", "-"))
            begun[row_id(row)] = study, pool.submit(study.make)
        return begun[row_id(row)]

    if "PYTEST_XDIST_WORKER" not in os.environ or "TESTS_BY_FILE" in os.environ:
        for item in request.session.items:
            if item.module is request.module and hasattr(item, "callspec"):
                begin(item.callspec.params["row"])

    def get(row):
        study, future = begin(row)
        future.result()
        if study.lacks:
            assert needs_helper(study.network), study.lacks
            pytest.skip(f"this kernel cannot do the FTP helper: {study.lacks}")
        return study

    yield get
    pool.shutdown(cancel_futures=True)
    shutil.rmtree(top, ignore_errors=True)


def traces(study, names):
    return "\n".join(f"{key}: {run}" for key, run in study.runs.items() if key[0] in names)


@pytest.mark.parametrize("row", ROWS, ids=row_id)
def test_what_works(studies, row):
    study = studies(row)
    found = {name: study.cell(name) for name in ALL}
    wanted = {name: study.expected(name) for name in ALL}
    different = [name for name in ALL if found[name] != wanted[name]]
    assert found == wanted, traces(study, different)


@pytest.mark.parametrize("row", ROWS, ids=row_id)
def test_automatic_mode_finds_every_way(studies, row):
    """What the cells say of ferry must be what is promised: it works by itself where a passive way works (over the
    other family, if need be), and with consent where an active one does."""
    study = studies(row)
    for cell in (study.cell("ferry"), study.cell("ferry tls")):
        if set(cell[1:3]) != {"."}:
            assert cell[0] == "A"
        elif cell[1:] != "....":
            assert cell[0] in "Aa"
    for run in study.automatic():
        if not run.arrived:
            assert run.status == 4, run
            assert "ferry: ftp://" in run.err and "no data connection with" in run.err, run


@pytest.mark.parametrize("row", ROWS, ids=row_id)
def test_one_line_says_which_way_and_why(studies, row):
    """... when it was not the first."""
    study = studies(row)
    for run in study.automatic():
        told = re.findall(r"^ferry: (\w+)(?: over IPv4)? was used, because this did not work: "
                          r"EPSV \((\S+ port \d+: .*)\).*\.$", run.err, re.M)
        if run.arrived and len(run.verbs) > 1:
            assert [verb for verb, _ in told] == run.verbs[-1:], run
        else:
            assert not told, run


# What --explain says for each verdict, to those who do not know the codes.
SAID = {
    "P01": "private address: it exists only inside",
    "P03": "0.0.0.0 is no address at all",
    "P11": "FAILED: the server's passive ports are not open from outside",
    "P12": "FAILED: the server's passive port refuses calls",
    "A01": "FAILED: active mode cannot work from behind this router",
    "A02": "FAILED: the server's call did not reach you",
    "A03": "FAILED: the server's call was refused on its way to you",
    "H11": "FAILED: your two calls reach the server from two addresses",
}

# And what ferryd tells every client.
SAID_BY_FERRYD = {
    "A01": r"500 (?:PORT|EPRT) names 192\.168\.11\.2 but you come from 192\.0\.2\.\d \(NAT\?\)\. Use passive mode",
    "A02": r"425 I could not reach \S+ port \d+: connection timed out\. Use passive mode",
    "A03": r"425 I could not reach \S+ port \d+: connection refused\. Use passive mode",
    "H11": r"425 Nobody came to my port \d+ in 2 s from 192\.0\.2\.1; I refused calls from other addresses \(1\)\.",
}


@pytest.mark.parametrize("row", ROWS, ids=row_id)
def test_what_is_said_of_failures(studies, row):
    study = studies(row)
    for name, field in (("ferry", "codes"), ("ferry tls", "codes tls")):
        found = study.codes(name)
        assert found == set(study.expected(field).split()), traces(study, [name])
        told = re.sub(r"\s+", " ", "\n".join(run.out + run.err for run in study.failures(name)))
        for code in found:
            assert SAID[code] in told, (code, told)
            if study.server == "ferryd" and code in SAID_BY_FERRYD:
                assert re.search(SAID_BY_FERRYD[code], told), (code, told)
