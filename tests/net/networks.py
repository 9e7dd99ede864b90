"""The networks, as data: addresses, what the two routers do, and what then works. To be read by people.

A cell has five letters, one per way: the client's defaults, then E EPSV, P PASV, e EPRT, p PORT. "." is a way that
does not work there. The first letter of ferry's cell: A plain `ferry get` succeeds by itself; a it does once the user
allowed it to be called (--allow-active, or "y" on a terminal); "." no way works. Of the others': D it succeeds with
its defaults.

Every cell is tried in clear and under TLS (AUTH TLS, both connections encrypted), except tnftp's, which does not
encrypt, and curl's in active mode: curl 7.88 stands still there in every network, the flat one too. What tls says is
what encryption changes, and that is only where a router reads along: a helper sees nothing.
"""
from dataclasses import dataclass, field

from harness import net

RANGE = "50000-50999"


@dataclass
class Router:
    """Rules of one router, as statements of nftables by hook."""
    forward: list = field(default_factory=list)
    dnat: list = field(default_factory=list)
    snat: list = field(default_factory=list)
    input: list = field(default_factory=list)
    helper_port: int = None

    def rules(self):
        return net.rule_set(self.forward, self.dnat, self.snat, self.input, helper_port=self.helper_port)


KEEP = "ct state established,related accept"
MASQUERADE = 'meta nfproto ipv4 oifname "wan0" masquerade'


def only_outward(block="drop", helper_port=None, snat=()):
    """The usual firewall: what began inside may pass, and its answers."""
    return Router(forward=[KEEP, 'iifname "in0" accept', block], helper_port=helper_port, snat=list(snat))


def only_to(ports, block="drop", helper_port=None):
    """A server's firewall: these ports may be called; the server may call out."""
    return Router(forward=[KEEP, 'iifname "in0" accept', f"tcp dport {{ {ports} }} accept", block],
                  helper_port=helper_port)


def forwarded(ports, helper_port=None, more=(), input=()):
    """A router with one outer address, which forwards these ports to the server."""
    return Router(dnat=[f'iifname "wan0" tcp dport {{ {ports} }} dnat ip to {net.SERVER_INNER}', *more],
                  snat=[MASQUERADE], input=list(input), helper_port=helper_port)


@dataclass
class Network:
    name: str
    ferry: str
    curl: str
    lftp: str
    tnftp: str
    client: Router = None        # the client's router; None: lets everything pass
    server: Router = None        # the server's
    client_hidden: bool = False  # has an inner address only
    server_hidden: bool = False
    families: tuple = (4,)
    port: int = 21
    options: dict = field(default_factory=dict)  # of ferryd and vsftpd
    codes: str = ""              # verdicts of ferry --explain, over all ways that fail; P01 to P04 only
                                 # name an announced address that does not fit
    doctor: str = ""             # what ferry doctor finds when it may listen, the verdict first
    vsftpd: dict = field(default_factory=dict)   # field: value, where vsftpd makes a difference
    tls: dict = field(default_factory=dict)      # field: value, where encryption does
    one_by_one: bool = False     # runs would disturb one another: each has a world of its own
    named: bool = False          # the server is called by a name that has both families

    def ways(self, name):
        """Of a client, or of one with " tls" behind its name."""
        return "DEP" if name == "curl tls" else "DEPep"

    def expected(self, name, server):
        """What the field says; with " tls" behind it, what it says of encrypted runs."""
        plain = name.removesuffix(" tls")
        value = getattr(self, plain)
        if server == "vsftpd":
            value = self.vsftpd.get(plain, value)
        if name != plain:
            value = self.tls.get(plain, value)
        return value[:3] if name == "curl tls" else value


NAT = {"client_hidden": True}
ADVERTISED = {"pasv_address": net.SERVER_ROUTER}

NETWORKS = [
    #       name                                        ferry    curl     lftp     tnftp
    Network("flat",                                     "AEPep", "DEPep", "DEP.p", "DEPep"),

    # the client's side
    Network("client firewall drops",                    "AEP..", "DEP..", "DEP..", "DEP..",
            client=only_outward("drop"), codes="A02", doctor="A02"),
    Network("client firewall rejects",                  "AEP..", "DEP..", "DEP..", "DEP..",
            client=only_outward("reject with tcp reset"), codes="A03", doctor="A03"),
    Network("client firewall with the FTP helper",      "AEPep", "DEPep", "DEP.p", "DEPep",
            client=only_outward("drop", helper_port=21),
            tls={"ferry": "AEP..", "lftp": "DEP..", "codes": "A02"}),
    Network("client behind NAT",                        "AEP..", "DEP..", "DEP..", "DEP..",
            client=only_outward(snat=[MASQUERADE]), codes="A01", doctor="A01", **NAT),
    Network("client behind NAT with the FTP helper",    "AEPep", "DEPep", "DEP.p", "DEPep",
            client=only_outward(snat=[MASQUERADE], helper_port=21), **NAT,
            tls={"ferry": "AEP..", "lftp": "DEP..", "codes": "A01"}),
    Network("NAT, server and FTP helper at 2121",       "AEPep", "DEPep", "DEP.p", "DEPep",
            client=only_outward(snat=[MASQUERADE], helper_port=2121), port=2121, **NAT,
            tls={"ferry": "AEP..", "lftp": "DEP..", "codes": "A01"}),
    Network("NAT with the FTP helper, server at 2121",  "AEP..", "DEP..", "DEP..", "DEP..",
            client=only_outward(snat=[MASQUERADE], helper_port=21), port=2121, codes="A01", doctor="A01", **NAT),
    Network("client may call port 21 only",             ".....", ".....", ".....", ".....",
            client=Router(forward=[KEEP, 'iifname "in0" tcp dport 21 accept', "drop"]),
            codes="P11 A02", doctor="P21 A02"),
    Network("NAT pool: two outer addresses",            ".....", ".....", ".....", ".....",
            client=only_outward(snat=[f'oifname "wan0" tcp dport 21 snat ip to {net.CLIENT_ROUTER}',
                                      f'oifname "wan0" snat ip to {net.CLIENT_ROUTER_2}']),
            codes="A01 H11", doctor="H11 A01", **NAT),

    # the server's side
    Network("server opens 21 only, drops",              "a..ep", "...ep", "....p", "D..ep",
            server=only_to("21"), codes="P11", doctor="P11"),
    Network("server opens 21 only, rejects",            "a..ep", "...ep", "....p", "D..ep",
            server=only_to("21", "reject with tcp reset"), codes="P12", doctor="P12"),
    Network("server opens 21, with the FTP helper",     "AEPep", "DEPep", "DEP.p", "DEPep",
            server=only_to("21", helper_port=21),
            tls={"ferry": "a..ep", "curl": "...", "lftp": "....p", "codes": "P11"}),
    Network("server opens 21 and its range",            "AEPep", "DEPep", "DEP.p", "DEPep",
            server=only_to(f"21, {RANGE}")),
    Network("server may not call out",                  "AEP..", "DEP..", "DEP..", "DEP..",
            server=Router(forward=[KEEP, f'iifname "wan0" tcp dport {{ 21, {RANGE} }} accept', "drop"]),
            codes="A02", doctor="A02"),
    Network("one connection per address",               "a..ep", "...ep", "....p", "D..ep",
            server=Router(forward=[KEEP, 'iifname "in0" accept', "ct count over 1 drop"]),
            one_by_one=True, codes="P11", doctor="L05"),

    # DNAT
    Network("range forwarded, private address in 227",  "AEPep", "DEPep", "DEP.p", "DE.ep",
            server=forwarded(f"21, {RANGE}"), server_hidden=True, doctor="P01"),
    Network("range forwarded, right address",           "AEPep", "DEPep", "DEP.p", "DEPep",
            server=forwarded(f"21, {RANGE}"), server_hidden=True, options=ADVERTISED),
    Network("range forwarded, wrong address",           "AEPep", "DEPep", ".E..p", "DE.ep",
            server=forwarded(f"21, {RANGE}"), server_hidden=True, options={"pasv_address": "192.0.2.77"}, doctor="P02"),
    Network("only 21 forwarded, others refused",        "a..ep", "...ep", "D...p", "D..ep",
            server=forwarded("21"), server_hidden=True, codes="P01 P12", doctor="P12 P01"),
    Network("only 21 forwarded, others dropped",        "a..ep", "...ep", "....p", "D..ep",
            server=forwarded("21", input=['iifname "wan0" drop']), server_hidden=True,
            codes="P01 P11", doctor="P11 P01"),
    Network("range forwarded from other numbers",       "a..ep", "...ep", "....p", "D..ep",
            server=forwarded("21", more=[f'iifname "wan0" tcp dport 40000-40999 dnat ip to '
                                         f"{net.SERVER_INNER}:{RANGE}"]),
            server_hidden=True, options=ADVERTISED, codes="P12", doctor="P12"),
    Network("only 21 forwarded, FTP helper",            "AEPep", "DEPep", "DEP.p", "DEPep",
            server=forwarded("21", helper_port=21), server_hidden=True,
            tls={"ferry": "a..ep", "curl": "...", "lftp": "D...p", "codes": "P01 P12"}),
    Network("FTP helper and an advertised address",     "AE.ep", "DE.ep", ".E..p", "DE.ep",
            server=forwarded("21", helper_port=21), server_hidden=True, options=ADVERTISED, codes="P12", doctor="P20",
            tls={"ferry": "a..ep", "curl": "...", "lftp": "....p"}),

    # both
    Network("both NAT, range forwarded",                "AEP..", "DEP..", "DEP..", "DEP..",
            client=only_outward(snat=[MASQUERADE]), server=forwarded(f"21, {RANGE}"), server_hidden=True,
            options=ADVERTISED, codes="A01", doctor="A01", **NAT),
    Network("both NAT, only 21 forwarded",              ".....", ".....", ".....", ".....",
            client=only_outward(snat=[MASQUERADE]), server=forwarded("21"), server_hidden=True,
            codes="P01 P12 A01", doctor="P12 A01 P01", **NAT),
    Network("both NAT, only 21, helper at the client",  "a..ep", "...ep", "D...p", "D..ep",
            client=only_outward(snat=[MASQUERADE], helper_port=21), server=forwarded("21"), server_hidden=True,
            codes="P01 P12", doctor="P12 P01", **NAT, tls={"ferry": ".....", "lftp": ".....", "codes": "P01 P12 A01"}),
    Network("both NAT, only 21, both with the helper",  "AEPep", "DEPep", "DEP.p", "DEPep",
            client=only_outward(snat=[MASQUERADE], helper_port=21), server=forwarded("21", helper_port=21),
            server_hidden=True, **NAT,
            tls={"ferry": ".....", "curl": "...", "lftp": ".....", "codes": "P01 P12 A01"}),

    # IPv6
    # (vsftpd answers PASV with 0.0.0.0 there, and ferry calls the address that it knows)
    Network("IPv6 only",                                "AE.e.", "DE.e.", "DE.e.", "DE.e.", families=(6,),
            vsftpd={"ferry": "AEPe."}),
    Network("IPv6 only, client firewall drops",         "AE...", "DE...", "DE...", "DE...", families=(6,),
            client=only_outward("drop"), codes="A02", doctor="A02", vsftpd={"ferry": "AEP.."}),
    Network("IPv6 only, server opens 21 only",          "a..e.", "...e.", "...e.", "D..e.", families=(6,),
            server=only_to("21"), codes="P11", doctor="P11", vsftpd={"codes": "P03 P11"}),
    Network("dual stack, range open for IPv4 only",     "A..e.", "...e.", "...e.", "D..e.", families=(4, 6),
            server=Router(forward=[KEEP, 'iifname "in0" accept', "tcp dport 21 accept",
                                   f"meta nfproto ipv4 tcp dport {RANGE} accept", "drop"]),
            named=True, codes="P11", doctor="V03 P11", vsftpd={"codes": "P03 P11"}),
]
