/*
 * The doctor's verdicts, row by row: all rows of the signature matrix, and the causes
 * that a comparison, a place or a server's own words tell. "!" is certain, "?" likely;
 * the first one is the verdict.
 *
 * What was seen is written as visits, "4c E~ E~ P~ A+; 4t E~": family, c in clear or t
 * encrypted, a port if it is not 21; then the attempts: E EPSV, P PASV, A active, B a
 * large file; + works, ~ silence, R refused, X rejected, Y the same late, 5 declined, 0
 * unanswered, G garbled, D connected and then a 425, N nobody called, F the same and at
 * once, S not one byte, L all bytes and no 226, W worked but slowly, U stopped, C cut
 * off. "@" a passive port.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "address.h"
#include "diagnosis.h"
#include "own.h"
#include "remedy.h"

#include <arpa/inet.h>

#define OUTER "198.51.100.2"
#define INNER "192.168.11.2"
#define SERVER "203.0.113.10"
#define PRIVATE "192.168.22.2"

struct row {
	const char *name;
	const char *seen;
	const char *want;
	const char *own;   /* NULL: OUTER */
	const char *peer;  /* NULL: SERVER */
	const char *sent;  /* in 227, of those with * if there are any; NULL: the peer */
	const char *words; /* with D, 5, N, F, G */
	/* hops of the first visit: those between, then what became of the calls: "p"
	 * passed,
	 * "~", "R", "X1" rejected by the first of those between. NULL: not measured */
	const char *between, *calls;
	bool outer_given, his, limited, limit_refuses, offers_tls;
	int away; /* errno of a call to the other family's address; 0: there is none */
	const char *stranger;
	/* What a ferryd says, as it says it; "@" is the port of the attempt. call is said
	 * of those that failed and is none's word for the others. */
	const char *who, *call, *arrived, *probe, *unlocked;
	double round_trip;
	bool beyond; /* the call was let in by routers that need not be ours */
	bool near;   /* ... by not all that could */
};

#define FOREIGN "425 Rejected data connection from foreign address 203.0.113.77:46194."
#define FAILED_CALL "425 Failed to establish connection."
#define WHO "200 peer=198.51.100.2:4000 local=203.0.113.10:21 tls=no proxyhdr=no"
#define WHO_NAT "200 peer=192.0.2.1:4000 local=203.0.113.10:21 tls=no proxyhdr=no"
#define UNHEARD "200 mode=EPSV port=@ listened=4.0s accepted=0 rejected=0"
#define CALLED "200 mode=PORT to=198.51.100.2:@ result="
#define PROBED "200 to=198.51.100.2 port=40001 result="
#define FERRYD_PORT "500 PORT names 192.168.11.2 but you come from 192.0.2.1 (NAT?)."

/* clang-format off */
static const struct row rows[] = {
    /* the matrix */
    {"row 1: closed range", "4c E~ E~ P~ A+; 4t E~ E~", "P11?"},
    {"row 2: a helper is blind under TLS", "4t E~ E~; 4c E+ P+", "T01!"},
    {"row 2: whatever active mode does", "4t E~ E~ AN; 4c E+ P+ A+", "T01! T02!"},
    {"row 3: helper and announced address", "4c E+ E+ P~ P~", "P20! P02!", .sent = "192.0.2.77"},
    {"row 3: under TLS nothing", "4t E~ E~; 4c E+ P~", "P20! T01! P02!", .sent = "192.0.2.77"},
    {"row 4: port 2121", "4c2121 E~ E~ P~; 4c E+ P+", "P19!"},
    {"row 5: no reply to EPSV, good under TLS", "4t E+ E+; 4c E0", "M05!"},
    {"row 5: no reply to EPSV, PASV works", "4c E0; 4c P+", "M05!"},
    {"row 5: no reply to EPSV, and no more is known", "4c E0", "M05?"},
    {"row 5: not answered after a long wait", "4c E~ E0; 4c P~", "P11? L01?"},
    {"row 6: only 21 is forwarded", "4c ER ER PR A+; 4t ER ER A+", "P12?"},
    {"row 7: a private address in 227", "4c E+ P+; 4t E+", "P01!", .sent = PRIVATE},
    {"row 8: an ALG rewrites 227, the range is shut", "4t ER E~; 4c E+ P+", "T01!"},
    {"row 9: P20's twin", "4c E+ E+ PR PR", "P20!"},
    {"row 10: NAT on our side", "4c E+ P+ A5; 4t E+ A5", "A01?", .own = INNER, .words = "500 Illegal PORT command."},
    {"row 11: our router's ALG", "4t E+ P+ A5; 4c E+ P+ A+", "T02!", .own = INNER, .words = "500 Illegal EPRT command."},
    {"row 12: our firewall", "4c E+ P+ AN; 4t E+ AN", "A02?", .words = "425 Failed to establish connection."},
    {"row 13: refused at once", "4c E+ P+ AF; 4t E+ AF", "A03?", .words = "425 Failed to establish connection."},
    {"row 13: the outer address was given", "4c E+ P+ AF", "A04?", .own = INNER, .outer_given = true,
     .words = "425 Failed to establish connection."},
    {"row 14: another address", "4c ED PD; 4t ED", "H11!", .own = INNER, .words = FOREIGN},
    {"row 14: the server's own gateway", "4c ED PD", "H03!",
     .words = "425 Rejected data connection from foreign address 172.17.0.1:46194."},
    {"row 14: we are outside ourselves", "4c ED PD", "H03?", .words = FOREIGN},
    {"row 15: only PASV is understood", "4c E~ E~ P+ P+", "P22!"},
    {"row 15: after one silence", "4c E~ P+", "P22?"},
    {"row 16: full packets", "4c E+ P+ BS", "L03!"},
    {"row 16: no listing either", "4c ES", "L03?"},
    {"row 17: no 226", "4c E+ P+ BL", "L01?"},
    {"row 18: some ports", "4c E+@50001 ER@50700 E+@50080 ER@50900 E+@50120 ER@50800", "P14!"},
    {"row 18: one port", "4c E+@50001 E~@50700 E+@50980 E+@50120", "P14?"},
    {"row 18: the middle", "4c E~@50001 E+@50400 E+@50500 E~@50900", "P14!"},
    {"row 18: no pattern", "4c E+@50001 ER@50002 E+@50003 ER@50004 E+@50005 ER@50006", "H06?"},
    {"row 18: no more after some", "4c E+@50001 E+@50900 E+@50500 E~@50600 E~@50003", "L05?"},
    {"row 18: slower and slower", "4c E+@50001 E+@50900 E+@50500 EW@50600 E~@50003 EW@50004", "L05?"},
    {"row 18: packets are lost, and repeated", "4c E+@50001 EW@50300 E+@50100 EW@50002", "L07?"},
    {"row 18: the last packet of a call is lost", "4c E+ E+ E+ ED", "L07?", .words = "425 Nobody came to my port."},
    {"row 18: packets are lost", "4c E+@50001 E~@50300 EW@50200 E+@50100 E~@50002", "L07?"},

    /* well */
    {"well", "4c E+ E+ P+ A+; 4t E+ A+; 6t E+", ""},
    {"well, without EPSV", "4c E5 P+ P+", "", .words = "500 Unknown command."},
    {"well, without PASV", "4c E+ P5", "P23!", .words = "502 Command not implemented."},
    {"well, and a file without a full packet", "4c E+ P+ B+", ""},
    {"well over IPv6", "6c E+ E+ A+", "", .own = "2001:db8:1::2", .peer = "2001:db8:2::2"},

    /* passive mode */
    {"rejected", "4c EX EX PX", "P13!"},
    {"forwarded to nobody", "4c EY PY", "P12?"},
    {"neither of the commands", "4c E5 P5", "P23!", .words = "550 Permission denied."},
    {"no port is left", "4c E5 P5", "P15! P23!", .words = "425 All of my passive ports (61000-61199) are taken."},
    {"wrong setting", "4c E5 P5", "P08! P23!", .words = "500 OOPS: invalid pasv_address"},
    {"no address", "4c EG P+", "P09!", .words = "229 Entering Extended Passive Mode 50001"},
    {"stopped", "4c EU", "C06?"},
    {"a proxy hangs up and the server waits on", "4c EH PH", "P25?"},
    {"in clear somebody rewrites 227", "4t E+ P+; 4c E+ P+*", "M06!", .sent = "198.51.100.1"},
    {"limit: the first call only", "4c E+@50500 ER@50001 ER@50900 ER@50300 ER@50600 ER@50400 PR@50700 PR@50800", "L05?"},
    {"a proxy takes the calls", "4c ED PD", "P25?", .words = "425 Nobody came to my port 50001 in 20 s."},
    {"TLS only: it may be a helper too", "4t E~ E~ P~", "P11? T01?"},
    {"TLS only, at our router", "4t E~ E~ P~", "P21!", .between = "198.51.100.1 192.0.2.2", .calls = "p~~"},
    {"some ports, and none of those under TLS", "4t E~@50600 E~@50700; 4c E+@50001 E~@50900 P+@50100", "P14?"},
    {"in clear it does not work", "4t E+ P+; 4c E~ P~", "M06?"},
    {"session reuse", "4t ED", "T03!", .words = "425 TLS session of data connection not resumed."},
    {"session reuse, in other words", "4t ED", "T03?", .words = "425 Unable to build data connection: Operation not permitted"},
    {"PROT", "4t ED", "T05!", .words = "521 Data connection cannot be opened with this PROT setting."},
    {"ALPN", "4t ED", "T06!", .words = "425 No or wrong ALPN on data connection"},
    {"the second connection is refused", "4c ER ER PR", "L05?", .limit_refuses = true,
     .between = "10.0.0.1 10.1.1.1", .calls = "ppR"},
    {"the other family's address is silent", "4c E+ P+", "C02!", .away = ETIMEDOUT},
    {"... refused", "4c E+ P+", "C03!", .away = ECONNREFUSED},
    {"... rejected", "6c E+", "C04!", .away = EHOSTUNREACH},
    {"AUTH is offered and refused", "4c E+ P+", "T08!", .offers_tls = true},
    {"all encrypted ones are cut", "4t EC EC PC; 4c E+ P+", "T07?"},
    {"some encrypted ones are cut", "4t EC EC E+ P+", ""},
    {"one encrypted one is cut", "4t EC E+ P+", ""},
    {"one is cut, and there is no other", "4t EC", ""},
    {"the second connection", "4c E~ E~ P~", "L05?", .limited = true, .between = "10.0.0.1 10.1.1.1", .calls = "pp~"},

    /* where the calls end */
    {"before the server", "4c E~ P~", "P11?", .between = "198.51.100.1 192.0.2.2", .calls = "pp~"},
    {"at our router", "4c E~ P~", "P21!", .between = "198.51.100.1 192.0.2.2", .calls = "p~~"},
    {"at this machine", "4c E~ P~", "P21!", .between = "198.51.100.1 192.0.2.2", .calls = "~~~"},
    {"at the end of our inner network", "4c E~ P~", "P21!", .between = "10.0.0.1 10.1.1.1 192.0.2.1 192.0.2.2", .calls = "pp~~~"},
    {"somewhere between", "4c E~ P~", "P11?", .between = "10.0.0.1 192.0.2.1 192.0.2.9 192.0.2.2", .calls = "pp~~~"},
    {"routers are silent", "4c E~ P~", "P11?", .between = "- - -", .calls = "~~~~"},
    {"refused by our router", "4c ER PR", "P21!", .between = "198.51.100.1 192.0.2.2", .calls = "pRR"},
    {"refused by the server, or before it", "4c ER PR", "P12?", .between = "198.51.100.1 192.0.2.2", .calls = "ppR"},
    {"refused by the router that has its address", "4c ER PR", "P12!", .between = "198.51.100.1 " SERVER, .calls = "pRR"},
    {"dropped by the router that has its address", "4c E~ P~", "P11?", .between = "198.51.100.1 " SERVER, .calls = "p~~"},
    {"rejected by our router", "4c EX PX", "P21!", .between = "198.51.100.1 192.0.2.2", .calls = "pX1X1"},
    {"rejected before the server", "4c EX PX", "P13!", .between = "198.51.100.1 192.0.2.2", .calls = "ppX2"},
    {"one router between", "4c E~ P~", "P11?", .between = "192.0.2.2", .calls = "p~"},

    /* families */
    {"IPv4 only", "6c E~ E~; 4c E+ P+", "V03! P11?"},
    {"IPv4 only, refused", "6c ER ER; 4c E+ P+", "V03! P12?"},
    {"IPv6 only", "4c E+ P+; 6c E~ E~", "V03!"},
    {"none over IPv6", "4c E+ P+; 6c E5", "V02!", .words = "502 EPSV not implemented."},
    {"neither", "6c E~ E~; 4c E~ P~", "P11?"},

    /* active mode */
    {"the server tells our address", "4c E+ A5", "A01!", .own = INNER, .words = FERRYD_PORT},
    {"... and we are outside", "4c E+ A5", "A01!", .words = "500 I won't open a connection to 198.51.100.2 (only to 192.0.2.1)"},
    {"the router changed it", "4c E+ A5", "M01!", .own = INNER, .words = "500 PORT names 192.0.2.99 but you come from 192.0.2.1 (NAT?)."},
    {"the server's gateway", "4c E+ A5", "A11!", .words = "500 I won't open a connection to 198.51.100.2 (only to 172.17.0.1)"},
    {"our router, beside the server", "4c E+ A5", "A01!", .own = INNER, .words = "500 PORT names 192.168.11.2 but you come from 203.0.113.1."},
    {"the server's gateway, outside", "4c E+ A5", "A11!", .words = "500 PORT names 198.51.100.2 but you come from 203.0.113.1."},
    {"the outer address will not do", "4c E+ A5", "A13?", .own = INNER, .outer_given = true, .words = "500 Illegal PORT command."},
    {"not done for oneself", "4c E+ A5", "A09!", .own = "127.0.0.1", .peer = "127.0.0.1", .words = "500 No."},
    {"not done", "4c E+ A5", "A09!", .words = "501 Active mode is disabled"},
    {"IPv6 NAT on our side", "6c E+ A5", "A01!", .own = "2001:db8:1::2", .peer = "2001:db8:2::2",
     .words = "500 EPRT names 2001:db8:1::2 but you come from 2001:db8:77::2 (NAT?). Use passive mode."},
    {"a firewall's words over IPv6", "6c E+ AF", "A03?", .own = "2001:db8:1::2", .peer = "2001:db8:2::2",
     .words = "425 I could not reach 2001:db8:1::2 port 40000: permission denied."},
    {"port 20", "4c E+ AF", "A06!", .words = "425 Unable to build data connection: Permission denied"},
    {"a stranger", "4c E+ AN", "A14!", .words = "425 Failed to establish connection.", .stranger = "203.0.113.11"},
    {"IPv4 in disguise", "6c E+ AN", "M08!", .own = "2001:db8:1::2", .peer = "64:ff9b::203.0.113.10", .words = FAILED_CALL},
    {"IPv4 in disguise, declined", "6c E+ A5", "M08!", .own = "2001:db8:1::2", .peer = "64:ff9b::203.0.113.10",
     .words = "500 Illegal EPRT command."},
    {"nothing is said", "4c E+ AN", "A02?", .words = ""},

    /* announced addresses */
    {"no address", "4c E+ P+", "P03!", .sent = "0.0.0.0"},
    {"loopback", "4c E+ P+", "P04!", .sent = "127.0.0.1"},
    {"another public one", "4c E+ P+", "P02!", .sent = "192.0.2.77"},
    {"another of its own", "4c E+ P+", "H08!", .sent = "192.0.2.77", .his = true},
    {"the public one inside", "4c E+ P+", "P07!", .own = INNER, .peer = "192.168.11.9", .sent = SERVER},
    {"a guest's", "4c E+ P+", "P01! H14?", .sent = "10.0.2.15"},
    {"a container's", "4c E+ P+", "P01! H02?", .sent = "172.18.0.2"},
    {"closed, and private", "4c E~ E~ P~", "P11? P01!", .sent = PRIVATE},

    /* the server's word: passive mode */
    {"nothing came, and ends on its side", "4c E~ P~", "P11!", .call = UNHEARD, .between = "198.51.100.1 192.0.2.2", .calls = "pp~"},
    {"nothing came, and the router may be anybody's", "4c E~ P~", "P11?", .call = UNHEARD, .between = "192.0.2.2", .calls = "p~"},
    {"nothing came, and nobody knows where it ends", "4c E~ P~", "P11?", .call = UNHEARD},
    {"nothing came, for our router ends it", "4c E~ P~", "P21!", .call = UNHEARD, .between = "198.51.100.1 192.0.2.2", .calls = "p~~"},
    {"something came there", "4c E~ P~", "P11?", .call = "200 mode=EPSV port=@ listened=4.0s accepted=1 rejected=0",
     .between = "198.51.100.1 192.0.2.2", .calls = "pp~"},
    {"it speaks of another port", "4c E~ P~", "P11?", .call = "200 mode=EPSV port=1 listened=4.0s accepted=0 rejected=0",
     .between = "198.51.100.1 192.0.2.2", .calls = "pp~"},
    {"refused, and it did not do that", "4c ER PR", "P12!", .call = UNHEARD, .between = "198.51.100.1 192.0.2.2", .calls = "ppR"},
    {"refused somewhere", "4c ER PR", "P12?", .call = UNHEARD},
    {"forwarded to nobody, and it listened", "4c EY PY", "P12!", .call = UNHEARD, .between = "198.51.100.1 192.0.2.2", .calls = "ppX2"},
    {"a proxy took the calls", "4c ED PD", "P25!", .call = UNHEARD, .words = "425 Nobody came to my port 50001 in 20 s."},
    {"a proxy took the calls, encrypted", "4t ED ED", "P25!", .call = UNHEARD, .words = "425 Nobody came to my port 50001 in 20 s."},
    {"a proxy took one call", "4c ED", "P25?", .call = UNHEARD, .words = "425 Nobody came to my port 50001 in 20 s."},
    {"one lost its last packet", "4c E+ E+ E+ ED ED", "L07?", .call = UNHEARD, .words = "425 Nobody came to my port."},
    {"our second address", "4c ED PD", "H11!", .words = FOREIGN, .who = WHO,
     .call = "200 mode=EPSV port=@ listened=2.0s accepted=0 rejected=1 from=198.51.100.3:4 why=address"},
    {"its own gateway", "4c ED PD", "H03!", .words = FOREIGN, .who = WHO,
     .call = "200 mode=EPSV port=@ listened=2.0s accepted=0 rejected=1 from=203.0.113.1:4 why=address"},
    {"an address of neither", "4c ED PD", "H03?", .words = FOREIGN, .who = WHO,
     .call = "200 mode=EPSV port=@ listened=2.0s accepted=0 rejected=1 from=192.0.2.3:4 why=address"},
    {"no listing, for it is too long", "4c ES", "L03!", .call = "200 mode=EPSV port=@ listened=0.0s accepted=1 rejected=0 stalled=L03"},
    {"no listing, and it stood still in another way", "4c ES", "L03?",
     .call = "200 mode=EPSV port=@ listened=0.0s accepted=1 rejected=0 stalled=L07"},
    {"the one port is busy", "4c E5 P5", "A18! P23!", .words = "425 My one passive port (61000) is kept busy by other sessions."},

    /* ... and active mode */
    {"silence", "4c E+ AN", "A02?", .words = FAILED_CALL, .who = WHO, .call = CALLED "ETIMEDOUT src=203.0.113.10:20"},
    {"silence, quickly told", "4c E+ AF", "A02?", .words = FAILED_CALL, .who = WHO, .call = CALLED "ETIMEDOUT"},
    {"silence, and ours let answers in", "4c E+ AN", "A02!", .words = FAILED_CALL, .who = WHO,
     .call = CALLED "ETIMEDOUT src=203.0.113.10:20", .unlocked = PROBED "OK ms=1 src=203.0.113.10:20"},
    {"silence, whatever ours let in", "4c E+ AN", "A07?", .words = FAILED_CALL, .who = WHO,
     .call = CALLED "ETIMEDOUT src=203.0.113.10:20", .unlocked = PROBED "ETIMEDOUT ms=5000 src=203.0.113.10:20"},
    {"silence, whatever our first router let in", "4c E+ AN", "A02?", .words = FAILED_CALL, .who = WHO, .near = true,
     .call = CALLED "ETIMEDOUT src=203.0.113.10:20", .unlocked = PROBED "ETIMEDOUT ms=5000 src=203.0.113.10:20"},
    {"silence, and somebody lets answers in", "4c E+ AN", "A02?", .words = FAILED_CALL, .who = WHO, .beyond = true,
     .call = CALLED "ETIMEDOUT src=203.0.113.10:20", .unlocked = PROBED "OK ms=1 src=203.0.113.10:20"},
    {"... and our own calls do not get out", "4c E~ AN", "P11? A02?", .words = FAILED_CALL, .who = WHO,
     .call = CALLED "ETIMEDOUT src=203.0.113.10:20", .unlocked = PROBED "ETIMEDOUT ms=5000 src=203.0.113.10:20"},
    {"... behind a router that translates", "4c E+ AN", "A02?", .words = FAILED_CALL, .own = INNER, .who = WHO_NAT,
     .call = CALLED "ETIMEDOUT src=203.0.113.10:20", .unlocked = PROBED "ETIMEDOUT ms=5000 src=203.0.113.10:20"},
    {"it still tried", "4c E+ AN", "A02!", .words = "", .who = WHO, .call = CALLED "none",
     .probe = PROBED "ETIMEDOUT ms=5000 src=203.0.113.10:20", .unlocked = PROBED "OK ms=1 src=203.0.113.10:20"},
    {"it still tried, and is refused", "4c E+ AN", "A03?", .words = "", .who = WHO, .call = CALLED "none",
     .probe = PROBED "ECONNREFUSED ms=5000"},
    {"another call of its came", "4c E+ AN", "A02?", .words = FAILED_CALL, .who = WHO, .call = CALLED "ETIMEDOUT src=203.0.113.10:20",
     .probe = PROBED "OK ms=1", .unlocked = PROBED "OK ms=1"},
    {"somebody else took it", "4c E+ AN", "A02?", .words = "", .who = WHO, .call = CALLED "OK src=203.0.113.10:20"},
    {"refused", "4c E+ AF", "A03?", .words = FAILED_CALL, .who = WHO, .call = CALLED "ECONNREFUSED",
     .probe = PROBED "ECONNREFUSED ms=0"},
    {"refused after a while", "4c E+ AN", "A03?", .words = FAILED_CALL, .who = WHO, .call = CALLED "ECONNREFUSED"},
    {"refused by ours", "4c E+ AF", "A03!", .words = FAILED_CALL, .who = WHO, .call = CALLED "EHOSTUNREACH",
     .probe = PROBED "EHOSTUNREACH ms=0", .unlocked = PROBED "OK ms=0"},
    {"refused by theirs", "4c E+ AF", "A07?", .words = FAILED_CALL, .who = WHO, .call = CALLED "ECONNREFUSED",
     .probe = PROBED "ECONNREFUSED ms=0", .unlocked = PROBED "ECONNREFUSED ms=0"},
    {"refused nearby", "4c E+ AF", "A07!", .words = FAILED_CALL, .who = WHO, .call = CALLED "ECONNREFUSED",
     .probe = PROBED "ECONNREFUSED ms=1", .round_trip = 0.04},
    {"refused halfway", "4c E+ AF", "A03?", .words = FAILED_CALL, .who = WHO, .call = CALLED "ECONNREFUSED",
     .probe = PROBED "ECONNREFUSED ms=19", .round_trip = 0.04},
    {"refused by ours, in no time", "4c E+ AF", "A03?", .words = FAILED_CALL, .who = WHO, .call = CALLED "ECONNREFUSED",
     .probe = PROBED "ECONNREFUSED ms=0", .round_trip = 0.004},
    {"its system forbids it", "4c E+ AF", "A07!", .words = FAILED_CALL, .who = WHO, .call = CALLED "EPERM"},
    {"its system forbids it, and says it in other words", "4c E+ AF", "A07!", .who = WHO, .call = CALLED "EACCES",
     .words = "425 I could not reach 198.51.100.2 port 40000: permission denied. Use passive mode or open that port."},
    {"its system forbids it, or its routes", "4c E+ AF", "A07!", .words = FAILED_CALL, .who = WHO, .call = CALLED "EACCES"},
    {"over IPv6 a router says the same", "6c E+ AF", "A03?", .words = FAILED_CALL, .call = "200 mode=EPRT to=[2001:db8:1::2]:@ result=EACCES"},
    {"no pair of ports", "4c E+ AF", "A08!", .words = FAILED_CALL, .who = WHO, .call = CALLED "EADDRNOTAVAIL src=203.0.113.10:20"},
    {"our router does not forward", "4c E+ AN", "A04!", .words = FAILED_CALL, .own = INNER, .outer_given = true, .who = WHO_NAT,
     .call = CALLED "ETIMEDOUT", .unlocked = PROBED "OK ms=1"},
    {"our router may not forward", "4c E+ AN", "A04?", .words = FAILED_CALL, .own = INNER, .outer_given = true, .who = WHO_NAT,
     .call = CALLED "ETIMEDOUT", .unlocked = PROBED "ETIMEDOUT ms=5000"},
    {"it sees another address", "4c E+ A5", "A01!", .own = INNER, .words = "500 Illegal PORT command.", .who = WHO_NAT,
     .arrived = "200 received=504F5254203139322C3136382C31312C322C3135362C3634"},
    {"another address arrived", "4c E+ A5", "M01!", .own = INNER, .words = "500 Illegal PORT command.", .who = WHO_NAT,
     .arrived = "200 received=504F5254203139322C302C322C39392C3135362C3634"},
    {"it sees its gateway", "4c E+ A5", "A11!", .words = "500 Illegal PORT command.",
     .who = "200 peer=172.17.0.1:4000 local=172.17.0.2:21 tls=no proxyhdr=no"},
    {"the address that was given is not ours", "4c E+ A5", "A13!", .own = INNER, .outer_given = true, .words = "500 No.", .who = WHO_NAT},
    {"it sees the very address", "4c E+ A5", "A09?", .words = "500 No.", .who = WHO},
    {"the proxy's header is missing", "4c ED PD", "H09!", .words = FOREIGN,
     .who = "200 peer=198.51.100.2:4000 local=203.0.113.10:21 proxyhdr=yes",
     .call = "200 mode=EPSV port=@ listened=2.0s accepted=0 rejected=1 from=203.0.113.1:4 why=address"},
    {"a low port", "4c E+ A5", "A10!", .words = "500 I do not call ports below 1024. Use passive mode or a higher port."},
};
/* clang-format on */

/* ---------------------------------------------------------------- reading a row */

static void
address(const char *text, struct sockaddr_storage *ret)
{
	struct sockaddr_in *v4 = (struct sockaddr_in *)ret;
	struct sockaddr_in6 *v6 = (struct sockaddr_in6 *)ret;

	*ret = (struct sockaddr_storage){0};
	if (inet_pton(AF_INET, text, &v4->sin_addr) == 1)
		ret->ss_family = AF_INET;
	else if (inet_pton(AF_INET6, text, &v6->sin6_addr) == 1)
		ret->ss_family = AF_INET6;
	else
		fail_msg("%s is no address", text);
}

static void
set_port(struct sockaddr_storage *a, unsigned port)
{
	if (a->ss_family == AF_INET6)
		((struct sockaddr_in6 *)a)->sin6_port = htons((uint16_t)port);
	else
		((struct sockaddr_in *)a)->sin_port = htons((uint16_t)port);
}

static void
say_words(struct attempt *a, const char *words)
{
	snprintf(a->words, sizeof a->words, "%s", words == NULL ? "" : words);
}

static void
set_outcome(struct attempt *a, char outcome, const struct row *r)
{
	int code = r->words == NULL ? 0 : atoi(r->words);

	switch (outcome) {
	case '+':
	case 'W':
		a->open = a->done = true;
		a->bytes = 9;
		a->seconds = outcome == 'W' ? 1.1 : 0.01;
		a->called = a->agreed = attempt_is_active(a);
		break;
	case '~':
	case 'R':
	case 'X':
	case 'Y':
		a->dial_failed = true;
		a->sys_errno = outcome == '~'   ? ETIMEDOUT
			       : outcome == 'R' ? ECONNREFUSED
						: EHOSTUNREACH;
		a->seconds = outcome == 'Y' ? 3.1 : 0;
		a->result = -FERRY_EDATA;
		break;
	case '5':
		a->refused = code;
		a->result = -FERRY_EDATA;
		say_words(a, r->words);
		break;
	case '0':
		a->used.ss_family = AF_UNSPEC;
		a->result = -FERRY_ETIMEOUT;
		break;
	case 'G':
		a->used.ss_family = AF_UNSPEC;
		a->result = -FERRY_EDATA;
		say_words(a, r->words);
		break;
	case 'D':
		a->open = true;
		a->answer = code;
		a->result = -FERRY_EDATA;
		say_words(a, r->words);
		break;
	case 'N':
	case 'F':
		a->agreed = true;
		a->answer = code;
		a->answered_after = outcome == 'F' ? 0.1 : 9;
		a->result = -FERRY_EDATA;
		say_words(a, r->words);
		break;
	case 'H':
		a->open = a->done = true;
		a->answer = 150;
		a->result = -FERRY_EDATA;
		break;
	case 'U':
		a->open = true;
		a->result = -FERRY_ETIMEOUT;
		break;
	case 'S':
		a->open = true;
		a->result = -FERRY_ESTALLED;
		break;
	case 'C':
		a->open = true;
		a->bytes = 9;
		a->result = -FERRY_ESHORT;
		break;
	case 'L':
		a->open = a->done = true;
		a->bytes = 9;
		a->result = -FERRY_ETIMEOUT;
		break;
	default:
		fail_msg("%s: no outcome %c", r->name, outcome);
	}
}

static enum ferry_mode
mode_of(char way, int family)
{
	return way == 'P'           ? FERRY_MODE_PASV
	       : way != 'A'         ? FERRY_MODE_EPSV
	       : family == AF_INET6 ? FERRY_MODE_EPRT
				    : FERRY_MODE_PORT;
}

/* The text with a port for "@"; a reply that nothing is said in without one. */
static const char *
with_port(const char *text, unsigned port, char *out, size_t cap)
{
	const char *at = text == NULL ? NULL : strchr(text, '@');

	if (at == NULL)
		snprintf(out, cap, "%s", text == NULL ? "200 nothing" : text);
	else
		snprintf(out, cap, "%.*s%u%s", (int)(at - text), text, port, at + 1);
	return out;
}

static void
say_told(struct trial *t, const struct row *r)
{
	unsigned port = address_port(attempt_is_active(&t->a) ? &t->a.told : &t->a.used);
	char text[256];
	struct told_call call = told_call(with_port(r->call, port, text, sizeof text));

	if (attempt_outcome(&t->a) == OUTCOME_WORKS)
		return;
	assert_true(r->call == NULL || call.way != TOLD_NONE);
	if ((call.way == TOLD_ACTIVE) == attempt_is_active(&t->a))
		t->call = call;
	if (!attempt_is_active(&t->a))
		return;
	t->arrived = told_address(with_port(r->arrived, port, text, sizeof text));
	t->probe = told_probe(with_port(r->probe, port, text, sizeof text));
	t->unlocked = told_probe(with_port(r->unlocked, port, text, sizeof text));
	assert_true(t->arrived.known == (r->arrived != NULL));
	assert_true(t->probe.known == (r->probe != NULL));
	assert_true(t->unlocked.known == (r->unlocked != NULL));
	t->hops = 2;
	t->own_hops = !r->beyond;
	t->all_hops = !r->near;
}

/* "E~@50001" */
static void
add_trial(struct checkup *c, const char *token, const struct row *r)
{
	const struct visit *v = &c->visits[c->n_visits - 1];
	struct trial *t = &c->trials[c->n_trials++];
	struct attempt *a = &t->a;
	const char *at = strchr(token, '@');

	*t = (struct trial){
	    .visit = c->n_visits - 1, .kind = *token == 'B' ? TRIAL_BIG : TRIAL_LISTING};
	a->mode = mode_of(*token, v->family);
	a->tls = v->tls;
	a->own = v->own;
	a->peer = v->peer;
	if (attempt_is_active(a)) {
		a->told = v->own;
		set_port(&a->told, 40000);
	} else {
		a->used = v->peer;
		set_port(&a->used,
		    at == NULL ? 50000 + (unsigned)c->n_trials : (unsigned)atoi(at + 1));
	}
	if (*token == 'P') {
		a->sent = v->peer;
		if (r->sent != NULL && !strchr(r->seen, '*') == !strchr(token, '*'))
			address(r->sent, &a->sent);
	}
	if (r->stranger != NULL && attempt_is_active(a))
		address(r->stranger, &a->stranger);
	set_outcome(a, token[1], r);
	say_told(t, r);
}

/* "4c2121" */
static void
add_visit(struct checkup *c, const char *token, const struct row *r)
{
	struct visit *v = &c->visits[c->n_visits++];
	bool v6 = *token == '6';

	*v = (struct visit){.family = v6 ? AF_INET6 : AF_INET,
	    .tls = token[1] == 't',
	    .port = token[2] == '\0' ? 21 : (uint16_t)atoi(token + 2),
	    .tls_offered = r->offers_tls,
	    .stage = VISIT_LOGGED_IN};
	address(v6 ? "2001:db8:1::2" : r->own != NULL ? r->own : OUTER, &v->own);
	address(r->peer != NULL && (strchr(r->peer, ':') != NULL) == v6 ? r->peer
		: v6                                                    ? "2001:db8:2::2"
									: SERVER,
	    &v->peer);
	v->who = told_who(r->who == NULL ? "" : r->who);
	assert_true(v->who.known == (r->who != NULL));
	v->round_trip = r->round_trip;
}

static void
read_hops(struct hops *h, const struct row *r)
{
	char text[256], *save = NULL;
	const char *p = r->calls;

	h->measured = true;
	snprintf(text, sizeof text, "%s", r->between);
	for (char *w = strtok_r(text, " ", &save); w != NULL;
	     w = strtok_r(NULL, " ", &save)) {
		struct hop *hop = &h->command[++h->distance];

		hop->kind = *w == '-' ? HOP_SILENT : HOP_PASSED;
		if (*w != '-')
			address(w, &hop->who);
	}
	h->command[++h->distance].kind = HOP_OPEN;
	h->command[0].kind = r->limit_refuses ? HOP_REFUSED
			     : r->limited     ? HOP_SILENT
					      : HOP_OPEN;
	for (unsigned i = 1; *p != '\0'; p++, i++) {
		struct hop *hop = &h->data[i];

		hop->kind = *p == 'p'   ? HOP_PASSED
			    : *p == 'R' ? HOP_REFUSED
			    : *p == 'X' ? HOP_REJECTED
					: HOP_SILENT;
		if (*p == 'p')
			hop->who = h->command[i].who;
		if (*p == 'X')
			hop->who = h->command[*++p - '0'].who;
		h->data[0].kind = hop->kind;
	}
}

static void
read_row(const struct row *r, struct checkup *c)
{
	char text[256], *save = NULL;

	*c = (struct checkup){.host = "ftp.example.org", .port = 21};
	snprintf(text, sizeof text, "%s", r->seen);
	for (char *w = strtok_r(text, " ;", &save); w != NULL;
	     w = strtok_r(NULL, " ;", &save))
		if (*w == '4' || *w == '6')
			add_visit(c, w, r);
		else
			add_trial(c, w, r);
	c->port = c->visits[0].port;
	c->outer_given = r->outer_given;
	c->announced_is_his = r->his;
	c->has_away = r->away != 0;
	c->away = (struct visit){
	    .stage = VISIT_NOWHERE, .result = -FERRY_ECONNECT, .sys_errno = r->away};
	if (r->between != NULL)
		read_hops(&c->visits[0].hops, r);
}

/* "P11? P01!" */
static void
codes(const struct diagnosis *d, char *out, size_t cap)
{
	size_t n = 0;

	*out = '\0';
	for (size_t i = 0; i < d->n; i++)
		n += (size_t)snprintf(out + n, cap - n, "%s%s%c", n > 0 ? " " : "",
		    verdict_name(d->findings[i].code),
		    d->findings[i].certainty == VERDICT_CERTAIN ? '!' : '?');
}

static void
count_remedy(const struct remedy *r, void *user)
{
	size_t *n = user;

	assert_true(*r->text != '\0');
	(*n)++;
}

static void
test_rows(void **state)
{
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		static struct checkup c;
		static struct diagnosis d;
		char got[128];

		read_row(&rows[i], &c);
		diagnose(&c, &d);
		codes(&d, got, sizeof got);
		if (strcmp(got, rows[i].want) != 0)
			fail_msg("%s (%s): \"%s\", not \"%s\"", rows[i].name,
			    rows[i].seen, got, rows[i].want);
		for (size_t k = 0; k < d.n; k++)
			assert_true(*d.findings[k].evidence != '\0');
	}
}

/* What the server said of its call stands in the evidence, in words and with its port. */
static void
test_its_words(void **state)
{
	static const struct {
		const char *call, *want;
	} ends[] = {
	    {CALLED "ETIMEDOUT src=203.0.113.10:20",
		"from port 20 to 198.51.100.2 port 40000: Connection timed out "
		"(ETIMEDOUT)."},
	    {CALLED "EUNKNOWN", "call to 198.51.100.2 port 40000: another error."},
	    {CALLED "OK", "port 40000: it was taken (not by you)."},
	    {CALLED "none", "port 40000: no answer so far."},
	};

	for (size_t i = 0; i < ARRAY_LEN(ends); i++) {
		static struct checkup c;
		static struct diagnosis d;
		const struct row row = {
		    .seen = "4c E+ AN", .words = FAILED_CALL, .call = ends[i].call};

		read_row(&row, &c);
		diagnose(&c, &d);
		if (strstr(d.findings[0].evidence, ends[i].want) == NULL)
			fail_msg("\"%s\" is not in \"%s\"", ends[i].want,
			    d.findings[0].evidence);
	}
}

/* Whatever is found, there is something to do about it. */
static void
test_every_code_has_a_remedy(void **state)
{
	static struct checkup c;
	static struct diagnosis d;

	read_row(&rows[0], &c);
	diagnose(&c, &d);
	for (int code = 0; code < VERDICT_CODES; code++) {
		struct finding f = {.code = (enum verdict_code)code};
		size_t n = 0;

		remedy_each(&c, &d, &f, count_remedy, &n);
		if (n == 0)
			fail_msg("%s: nothing helps", verdict_name(f.code));
	}
}

/* ---------------------------------------------------------------- no conversation */

static const struct {
	const char *want;
	struct visit v;
} visits[] = {
    {"C01!", {.result = -FERRY_ERESOLVE}},
    {"C02!", {.result = -FERRY_ECONNECT, .sys_errno = ETIMEDOUT}},
    {"H13?", {.result = -FERRY_ECONNECT, .sys_errno = ETIMEDOUT, .web = true}},
    {"C03!", {.result = -FERRY_ECONNECT, .sys_errno = ECONNREFUSED}},
    {"C04!", {.result = -FERRY_ECONNECT, .sys_errno = EHOSTUNREACH}},
    {"C05!", {.result = -FERRY_ELOGIN, .stage = VISIT_CONNECTED, .code = 530}},
    {"C06!", {.result = -FERRY_ETIMEOUT, .stage = VISIT_CONNECTED}},
    {"J03!", {.result = -FERRY_EPROTO, .stage = VISIT_CONNECTED}},
    {"L04!", {.result = -FERRY_ETEMPORARY, .stage = VISIT_CONNECTED, .code = 421}},
    {"C06!", {.result = -FERRY_ETIMEOUT, .stage = VISIT_LOGGED_IN, .words = "no answer"}},
    {"T08?", {.result = -FERRY_ETLS, .stage = VISIT_CONNECTED}},
    {"T08!", {.result = -FERRY_ETLSCERT, .stage = VISIT_CONNECTED}},
};

static void
test_no_conversation(void **state)
{
	for (size_t i = 0; i < ARRAY_LEN(visits); i++) {
		static struct checkup c;
		static struct diagnosis d;
		char got[128];

		c = (struct checkup){.n_visits = 1, .visits = {visits[i].v}};
		diagnose(&c, &d);
		codes(&d, got, sizeof got);
		assert_string_equal(got, visits[i].want);
		assert_false(d.passive_works);
	}
}

/* What firewalls do besides is told too, and the gravest comes first. */
static void
test_a_masked_system(void **state)
{
	static struct checkup c;
	static struct diagnosis d;
	char got[128];

	read_row(&rows[0], &c);
	c.visits[0].masked = true;
	diagnose(&c, &d);
	codes(&d, got, sizeof got);
	assert_string_equal(got, "P11? M03!");
}

/* The connection that was left alone is a visit of its own. */
static void
test_left_alone(void **state)
{
	static const struct {
		int result, code;
		const char *want;
	} ends[] = {
	    {0, 200, ""},
	    {-FERRY_ETIMEOUT, 0, "L01?"},
	    {-FERRY_ECLOSED, 421, "L02!"},
	};

	for (size_t i = 0; i < ARRAY_LEN(ends); i++) {
		static struct checkup c;
		static struct diagnosis d;
		const struct row well = {.seen = "4c E+ P+; 4c"};
		char got[128];

		read_row(&well, &c);
		c.visits[1].idle = 65;
		c.visits[1].result = ends[i].result;
		c.visits[1].code = ends[i].code;
		diagnose(&c, &d);
		codes(&d, got, sizeof got);
		assert_string_equal(got, ends[i].want);
	}
}

/* No session at all, and one more attempt than fits, do no harm. */
static void
test_edges(void **state)
{
	static struct checkup c;
	static struct diagnosis d;

	diagnose(&c, &d);
	assert_int_equal(d.n, 0);
	read_row(&rows[0], &c);
	while (c.n_trials < TRIALS_MAX) {
		c.trials[c.n_trials] = c.trials[0];
		c.n_trials++;
	}
	diagnose(&c, &d);
	assert_int_equal(diagnosis_has(&d, VERDICT_P11), VERDICT_LIKELY);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_rows),
	    cmocka_unit_test(test_its_words),
	    cmocka_unit_test(test_every_code_has_a_remedy),
	    cmocka_unit_test(test_no_conversation),
	    cmocka_unit_test(test_a_masked_system),
	    cmocka_unit_test(test_left_alone),
	    cmocka_unit_test(test_edges),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
