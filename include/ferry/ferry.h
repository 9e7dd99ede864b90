/*
 * libferry: an FTP client library. The only header a program needs.
 *
 * One handle (struct ferry) is one session with one server: a control connection and, while a
 * transfer runs, a data connection. There is no global state. A handle may be used by any thread,
 * by one at a time; different handles are independent. The library never prints, never exits,
 * raises no signal, and starts no thread except one that lives as long as a host name look-up in
 * event-driven use.
 *
 * Two ways of driving the same calls:
 *   blocking      (the default) ferry_connect(), ferry_get(), ... return when they are done.
 *   event-driven  after ferry_set_blocking(h, false) the same call only begins the operation and
 *                 returns FERRY_AGAIN. Poll what ferry_poll() names and call ferry_step() until it
 *                 returns something other than FERRY_AGAIN: that is the operation's result.
 *
 * Results: 0 (or FERRY_AGAIN), or a negative enum ferry_error. After a failure ferry_error_text()
 * has the whole sentence, ferry_reply_code() and ferry_reply_text() the server's last words and
 * ferry_errno() the system's. Results in ret_ parameters are untouched on failure. Strings passed
 * in are copied. All byte counts and offsets are 64 bits; all times are UTC.
 */
#ifndef FERRY_FERRY_H
#define FERRY_FERRY_H

#include <poll.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/socket.h>

#ifdef __cplusplus
extern "C" {
#endif

#define FERRY_API __attribute__((visibility("default")))

/* ---------------------------------------------------------------- errors */

/* The operation has begun or goes on: poll and call ferry_step(). Event-driven use only. */
#define FERRY_AGAIN 1

/* One code per stage and cause; functions return them negated: -FERRY_ETIMEOUT. */
enum ferry_error {
	FERRY_EINVAL = 1,   /* an argument that no server need see: empty, too long, CR, LF or NUL */
	FERRY_ENOMEM,       /* out of memory */
	FERRY_ESYS,         /* a system call failed: ferry_errno() */
	FERRY_ESTATE,       /* not now: not connected, or another operation runs */
	FERRY_ERESOLVE,     /* the host name has no address */
	FERRY_ECONNECT,     /* the control connection could not be made */
	FERRY_ECLOSED,      /* the server closed the control connection, or it broke */
	FERRY_EPROTO,       /* the server's answer is not FTP */
	FERRY_ETOOBIG,      /* more than the limit: a reply, a line, a name */
	FERRY_ETIMEOUT,     /* the server did not answer in time */
	FERRY_ELOGIN,       /* user name or password refused (530) */
	FERRY_ETEMPORARY,   /* the server said 4xx: trying again later may work */
	FERRY_EREFUSED,     /* the server said 5xx */
	FERRY_EUNSUPPORTED, /* the server does not know the command (500, 502, 504), or we do not */
	FERRY_EDATA,        /* no data connection could be made, in any mode that was allowed */
	FERRY_ESTALLED,     /* the data connection stopped moving */
	FERRY_ESHORT,       /* the transfer ended, but bytes are missing or too many */
	FERRY_ELOCAL,       /* the caller's callback said stop, or the local file failed */
	FERRY_EABORTED,     /* ferry_abort() */
	FERRY_EOF,          /* end of input (parsers) */
	FERRY_ETLS,         /* TLS failed: no handshake, or somebody meddled with it */
	FERRY_ETLSCERT,     /* the server's certificate is not to be trusted; the text says why */
	FERRY_ETLSNONE,     /* encryption was wanted and the server does not offer it */
};

/* Short description of a code, negated or not: "the server did not answer in time". Static. */
FERRY_API const char *ferry_strerror(int error);

/* ---------------------------------------------------------------- events */

/* How a data connection is made. FERRY_MODE_AUTO tries EPSV, then PASV dialled at the control
 * connection's peer, then, where the user allowed it, EPRT or PORT. */
enum ferry_mode {
	FERRY_MODE_AUTO,
	FERRY_MODE_PASSIVE, /* EPSV, then PASV */
	FERRY_MODE_EPSV,
	FERRY_MODE_PASV,
	FERRY_MODE_ACTIVE, /* EPRT, then PORT; over IPv4 PORT first */
	FERRY_MODE_EPRT,
	FERRY_MODE_PORT,
};

/* Everything that happens on the wire. Views (--explain, traces, progress bars) are made from
 * these alone. */
enum ferry_event_kind {
	FERRY_EV_RESOLVED = 1, /* text: host name; count: number of addresses */
	FERRY_EV_CONNECTING,   /* local may be empty; remote: where to. channel tells which */
	FERRY_EV_CONNECTED,    /* local, remote */
	FERRY_EV_CONNECT_FAILED, /* remote; error, sys_errno; seconds */
	FERRY_EV_COMMAND,      /* text: the line sent; a password is shown as **** */
	FERRY_EV_REPLY,        /* text: all lines as received; code */
	FERRY_EV_MODE,         /* mode: a way to make the data connection is tried now. text: why it comes
	                          first, where ferry_set_first_way() said so */
	FERRY_EV_MODE_FAILED,  /* mode, error, sys_errno, text: why in words */
	FERRY_EV_ADDRESS,      /* remote: where 227/229 leads as sent; used: where we go; they differ
	                          in the address when replaced */
	FERRY_EV_LISTENING,    /* local: where we wait for the server's call (active) */
	FERRY_EV_ACCEPTED,     /* local, remote: the server's call came */
	FERRY_EV_STRANGER,     /* remote: a call from another address, closed unread */
	FERRY_EV_TRANSFER,     /* the bytes of a transfer or listing begin: its 1xx reply came, or its
	                          first byte. verb in text; path in path; upload; mode; size or -1 */
	FERRY_EV_PROGRESS,     /* bytes moved so far, size or -1 */
	FERRY_EV_DATA_END,     /* bytes; seconds; upload: who hung up */
	FERRY_EV_CLOSED,       /* channel; error when it broke */
	FERRY_EV_WARNING,      /* text: something worth knowing that is no failure */
	FERRY_EV_REUSED,       /* local, remote: the data connection of the last transfer is still open
	                          (MODE B) and carries the next one too: nobody calls */
	FERRY_EV_TLS,          /* channel is encrypted from here on. text: "TLSv1.3"; cipher; resumed;
	                          trust: why we believe who it is; fingerprint of the server's key */
};

enum ferry_channel { FERRY_CONTROL, FERRY_DATA };

/* Why the other end of a TLS connection is believed to be the server. */
enum ferry_trust {
	FERRY_TRUST_NONE,
	FERRY_TRUST_AUTHORITY, /* an authority vouches for its certificate and its name */
	FERRY_TRUST_PIN,       /* it has the pinned key */
	FERRY_TRUST_PROGRAM,   /* ferry_trust_cb said yes */
	FERRY_TRUST_SESSION,   /* data: it resumed the control connection's session */
	FERRY_TRUST_SAME_KEY,  /* data: it has the control connection's key */
};

/* Pointers are valid during the callback only. Fields that an event does not name are zero. */
struct ferry_event {
	size_t struct_size;
	enum ferry_event_kind kind;
	enum ferry_channel channel;
	enum ferry_mode mode;
	bool upload;
	double time;    /* seconds since the handle was made */
	double seconds; /* how long the thing took */
	int code;       /* reply code */
	int error;      /* enum ferry_error, positive */
	int sys_errno;
	unsigned count;
	uint64_t bytes;
	int64_t size; /* bytes expected, or -1 */
	const char *text;
	const char *path;
	struct sockaddr_storage local, remote, used; /* ss_family 0: not known */
	uint64_t wire;       /* FERRY_EV_DATA_END: bytes on the data connection, fewer when packed */
	const char *command; /* FERRY_EV_REPLY: the command that it answers, as it was shown, or "" */
	const char *cipher;
	const char *fingerprint; /* 64 hexadecimal digits */
	enum ferry_trust trust;
	bool resumed;
};

typedef void ferry_event_cb(const struct ferry_event *ev, void *user);

/* ---------------------------------------------------------------- handle */

struct ferry;

/* 0 or -FERRY_ENOMEM. */
FERRY_API int ferry_new(struct ferry **ret_handle);
/* Closes whatever is open, at once, without QUIT. NULL is accepted. */
FERRY_API void ferry_free(struct ferry *h);

FERRY_API void ferry_on_event(struct ferry *h, ferry_event_cb *cb, void *user);
FERRY_API int ferry_set_mode(struct ferry *h, enum ferry_mode mode);
FERRY_API enum ferry_mode ferry_get_mode(const struct ferry *h);
/* In FERRY_MODE_AUTO: may the library listen (EPRT, PORT) when passive mode failed? Default no:
 * it opens a port here and shows the server our address. */
FERRY_API void ferry_set_active_allowed(struct ferry *h, bool allowed);
/* For the session that is open: the way to try first, because it is known to work from here, before
 * the usual order. It gets more time than others; when it fails it is forgotten. why: told with its
 * FERRY_EV_MODE. A way that the mode (and ferry_set_active_allowed()) does not include is passed
 * over. FERRY_MODE_AUTO: none. -FERRY_EINVAL, -FERRY_ENOMEM. */
FERRY_API int ferry_set_first_way(struct ferry *h, enum ferry_mode way, const char *why);
/* Ports to listen on in active mode, 1024..65535, low <= high; 0, 0: any. */
FERRY_API int ferry_set_active_ports(struct ferry *h, uint16_t low, uint16_t high);
/* Address told in PORT/EPRT instead of our own (behind a NAT that forwards it). NULL: our own. */
FERRY_API int ferry_set_active_address(struct ferry *h, const char *address);
/* Dial the address in a 227 reply even when it is not the server's own. Default no
 * (CVE-2020-8284). A private, loopback or link-local one is never dialled for a public server. */
FERRY_API void ferry_set_trust_pasv_address(struct ferry *h, bool trust);

/* How a file lies on the data connection: MODE, RFC 959 3.4. */
enum ferry_coding {
	FERRY_CODING_AUTO,   /* stream; ferry_get_many() and ferry_put_many(): block where
				FEAT offers "MODE B" */
	FERRY_CODING_STREAM, /* MODE S: the end of the connection is the end of the file
			      */
	FERRY_CODING_DEFLATE, /* MODE Z: packed with zlib, where FEAT offers "MODE Z" */
	FERRY_CODING_BLOCK, /* MODE B: one data connection carries any number of transfers
			     */
};
/* For transfers from now on. Where the server does not do it they go as a stream, and one
 * FERRY_EV_WARNING in a session says so. */
FERRY_API int ferry_set_coding(struct ferry *h, enum ferry_coding coding);
/* What the server has agreed to: STREAM until a transfer has asked for something else, AUTO when a
 * command of the caller's may have changed it. */
FERRY_API enum ferry_coding ferry_get_coding(const struct ferry *h);
/* AF_UNSPEC (default), AF_INET or AF_INET6. */
FERRY_API int ferry_set_family(struct ferry *h, int family);
/* Local address of both connections, numeric. NULL: the system chooses. */
FERRY_API int ferry_set_source_address(struct ferry *h, const char *address);

/* When the connections are encrypted. Where they are, both are: an encrypted control connection
 * never has a data connection in clear. */
enum ferry_tls {
	/* AUTH TLS if FEAT offers it, before anything is told; else in clear. When the server
	 * then says for good (5xx) that it has none, in clear with FERRY_EV_WARNING for anonymous
	 * and ftp (RFC 1635), and -FERRY_ETLSNONE from ferry_login() for everybody else; whatever
	 * else goes wrong is an error and never a reason to go on in clear. The default. */
	FERRY_TLS_AUTO,
	FERRY_TLS_NEVER,    /* in clear, and FEAT is asked after login only */
	FERRY_TLS_EXPLICIT, /* AUTH TLS, or -FERRY_ETLSNONE (ftpes://) */
	FERRY_TLS_IMPLICIT, /* TLS from the first byte; the default port is 990 (ftps://) */
};
FERRY_API int ferry_set_tls(struct ferry *h, enum ferry_tls tls);
/* File of certificates (PEM) of the authorities to believe instead of the system's. NULL: the
 * system's. Read at the first handshake: a file that cannot be read is -FERRY_ELOCAL then. */
FERRY_API int ferry_set_tls_authorities(struct ferry *h, const char *file);
/* SHA-256 of the server's public key (SubjectPublicKeyInfo): 64 hexadecimal digits, or base64;
 * "sha256//" or "SHA256:" may stand in front. Then this key is believed and no other, and no
 * authority is asked. NULL: none. -FERRY_EINVAL. */
FERRY_API int ferry_set_tls_pin(struct ferry *h, const char *pin);
/* Our own certificate with its chain, and its key (PEM; key_file NULL: in the same file). A
 * passphrase is asked of ferry_secret_cb with FERRY_SECRET_KEY. NULL: none. */
FERRY_API int ferry_set_tls_certificate(struct ferry *h, const char *file, const char *key_file);

/* A server whose certificate no authority and no pin vouches for. Names come from the server:
 * printable, but its own words. */
struct ferry_tls_peer {
	size_t struct_size;
	const char *host;
	uint16_t port;
	const char *fingerprint; /* of its key: 64 hexadecimal digits */
	const char *subject, *issuer;
	int64_t not_before, not_after; /* seconds since 1970 UTC, or INT64_MIN */
	const char *problem;           /* what is wrong, as a sentence */
};
/* Is this the right server all the same? Asked during ferry_connect(), before anything is sent. May
 * block: for programs that keep a list of known servers, or ask a person. Without a callback the
 * answer is no: -FERRY_ETLSCERT. */
typedef bool ferry_trust_cb(const struct ferry_tls_peer *peer, void *user);
FERRY_API void ferry_on_trust(struct ferry *h, ferry_trust_cb *cb, void *user);

struct ferry_tls_info {
	size_t struct_size;
	const char *version, *cipher; /* static: "TLSv1.3", "TLS_AES_256_GCM_SHA384" */
	enum ferry_trust trust;
	char fingerprint[65];
};
/* How the control connection is encrypted. -FERRY_ESTATE: not at all. */
FERRY_API int ferry_tls_info(const struct ferry *h, struct ferry_tls_info *ret);

enum ferry_timer {
	FERRY_TIMER_CONNECT,      /* control connection, each address. 15 s */
	FERRY_TIMER_REPLY,        /* a reply on the control connection. 60 s */
	FERRY_TIMER_DATA_CONNECT, /* each attempt at a data connection, its own budget. 5 s; while it is
	                             not set more on slow lines, and 8 s for the first way */
	FERRY_TIMER_ACCEPT,       /* waiting for the server's call in active mode. 10 s */
	FERRY_TIMER_STALL,        /* no byte moved on the data connection. 60 s */
};
/* Milliseconds; 0 waits without limit. -FERRY_EINVAL for an unknown timer. */
FERRY_API int ferry_set_timer(struct ferry *h, enum ferry_timer timer, unsigned ms);

FERRY_API void ferry_set_blocking(struct ferry *h, bool blocking);
/* What to wait for: up to n entries in fds; *ret_timeout_ms as for poll(), -1 for none. Returns the
 * number of entries (never more than 4). */
FERRY_API size_t ferry_poll(struct ferry *h, struct pollfd *fds, size_t n, int *ret_timeout_ms);
/* Goes on as far as it can without blocking. FERRY_AGAIN, or the operation's result. While no
 * operation runs: reads what the server says unasked; 0, or -FERRY_ECLOSED when it hung up. */
FERRY_API int ferry_step(struct ferry *h);

/* The failure of the last operation as one sentence with host, port, mode and cause; "" after a
 * success. Valid until the next call with h. */
FERRY_API const char *ferry_error_text(const struct ferry *h);
FERRY_API int ferry_reply_code(const struct ferry *h);
/* All lines of the last reply, joined by LF. Bytes from the server: escape before showing. */
FERRY_API const char *ferry_reply_text(const struct ferry *h);
FERRY_API int ferry_errno(const struct ferry *h);

FERRY_API bool ferry_is_connected(const struct ferry *h);
FERRY_API bool ferry_is_logged_in(const struct ferry *h);
/* Addresses of the control connection. 0 or -FERRY_ESTATE. */
FERRY_API int ferry_local_address(const struct ferry *h, struct sockaddr_storage *ret);
FERRY_API int ferry_remote_address(const struct ferry *h, struct sockaddr_storage *ret);
/* Microseconds to the server and back: the shortest time that the system has seen on the control
 * connection, or 0 if it is not known. */
FERRY_API unsigned ferry_round_trip(const struct ferry *h);
/* Did FEAT (sent after login) list this feature: "SIZE", "MLST", "REST STREAM"? */
FERRY_API bool ferry_has_feature(const struct ferry *h, const char *feature);
/* For a session with the same server as from's, between ferry_connect() and
 * ferry_login(): what the server said to FEAT there holds here, and is not asked again.
 */
FERRY_API int ferry_copy_features(struct ferry *h, const struct ferry *from);
/* The same for the way to a data connection that has worked there, after ferry_login():
 * it counts as if it had worked here. */
FERRY_API void ferry_copy_way(struct ferry *h, const struct ferry *from);

/* ---------------------------------------------------------------- session */

/* Connects to host (name or numeric address), reads the greeting, and encrypts the connection as
 * ferry_set_tls() says. port 0: 21, or 990. */
FERRY_API int ferry_connect(struct ferry *h, const char *host, uint16_t port);
/* USER, PASS, ACCT as the server asks; with TLS PBSZ and PROT P; then FEAT. user NULL: "anonymous". password NULL: none is
 * sent unless asked, then "ferry@". The copies are wiped. -FERRY_ELOGIN. */
FERRY_API int ferry_login(struct ferry *h, const char *user, const char *password,
    const char *account);
/* Asked in ferry_login() when the server wants a password (code 331) or an account (332) that the
 * call did not bring, after that reply's event. Returns an allocated string, which the library wipes
 * and frees, or NULL to give up with -FERRY_ELOGIN. May block: for programs that ask a person. */
typedef char *ferry_secret_cb(int code, void *user);
/* Asked in ferry_connect(): the passphrase of the key of ferry_set_tls_certificate(). */
#define FERRY_SECRET_KEY 1
FERRY_API void ferry_on_secret(struct ferry *h, ferry_secret_cb *cb, void *user);
/* QUIT and close. */
FERRY_API int ferry_quit(struct ferry *h);
/* Sends one line as it is and reads its final reply; for commands without a data connection. AUTH is
 * refused, and with TLS whatever would end or weaken it: CCC, PROT, PBSZ, REIN.
 * 0 for any complete reply: look at ferry_reply_code(). CR, LF and NUL are refused. */
FERRY_API int ferry_command(struct ferry *h, const char *line);
/* Ends the running transfer with ABOR and brings the session back in step; the transfer's result is
 * -FERRY_EABORTED. From a callback or, between calls, in event-driven use. Async-signal-safe: it
 * sets a flag that the next step sees. */
FERRY_API void ferry_abort(struct ferry *h);

/* ---------------------------------------------------------------- files */

enum ferry_entry_type {
	FERRY_ENTRY_UNKNOWN,
	FERRY_ENTRY_FILE,
	FERRY_ENTRY_DIRECTORY,
	FERRY_ENTRY_LINK,
	FERRY_ENTRY_OTHER,
};

/* One entry of a listing. Names are bytes from the server: never a path, to be escaped when shown,
 * and refused as a local name unless ferry_name_is_plain(). */
struct ferry_entry {
	size_t struct_size;
	enum ferry_entry_type type;
	int64_t size;   /* bytes, or -1 */
	int64_t mtime;  /* seconds since 1970 UTC, or INT64_MIN */
	int mode;       /* permission bits, or -1 */
	char *name;     /* NUL-terminated */
	char *link;     /* where a link leads, or NULL */
	char *owner;    /* or NULL */
	char *group;    /* or NULL */
	char *perm;     /* MLSx perm fact, or NULL */
	char *unique;   /* MLSx unique fact, or NULL */
	bool current;   /* the listed directory itself (cdir) */
	bool parent;    /* pdir */
	bool exact;     /* from MLSD: mtime is to the second, in UTC. LIST rounds it, and
			   leaves the year and the zone open */
};

/* Frees the strings and zeroes the entry. */
FERRY_API void ferry_entry_clear(struct ferry_entry *e);
/* One component that is safe as a file name in the current directory: not empty, ".", "..", no "/". */
FERRY_API bool ferry_name_is_plain(const char *name);

/* Receives bytes. Return 0 to go on; anything else ends the transfer with -FERRY_ELOCAL. */
typedef int ferry_write_cb(const void *data, size_t n, void *user);
/* Fills at most max bytes. Returns the count, 0 at the end, or -1 to end with -FERRY_ELOCAL. */
typedef int64_t ferry_read_cb(void *data, size_t max, void *user);
/* One parsed entry; it may be taken over by copying it and zeroing *e. Return as ferry_write_cb. */
typedef int ferry_entry_cb(struct ferry_entry *e, void *user);

/* Parsed listing of a directory (path NULL: the working directory): MLSD where FEAT offers it,
 * else LIST. Without cdir and pdir. */
FERRY_API int ferry_list(struct ferry *h, const char *path, ferry_entry_cb *cb, void *user);
/* The bytes of "LIST path", "NLST path", "MLSD path" as they come. argument may be NULL. */
FERRY_API int ferry_list_raw(struct ferry *h, const char *verb, const char *argument,
    ferry_write_cb *cb, void *user);
/* Facts of one path: MLST, or SIZE and MDTM and CWD where MLST is missing. Free with
 * ferry_entry_clear. */
FERRY_API int ferry_stat(struct ferry *h, const char *path, struct ferry_entry *ret);
FERRY_API int ferry_size(struct ferry *h, const char *path, uint64_t *ret_size);
FERRY_API int ferry_mtime(struct ferry *h, const char *path, int64_t *ret_mtime);
FERRY_API int ferry_set_mtime(struct ferry *h, const char *path, int64_t mtime);

/* TYPE for transfers from now on: true I (default), false A. */
FERRY_API void ferry_set_binary(struct ferry *h, bool binary);

/* Downloads path from offset on (0: all; TYPE I only). Good only if the server's final reply is
 * positive and, where the size was announced, the count agrees: otherwise -FERRY_ESHORT. */
FERRY_API int ferry_get(struct ferry *h, const char *path, uint64_t offset, ferry_write_cb *cb,
    void *user);

/* Where the files of ferry_get_many() go; i counts the paths from 0. Every file that was tried gets
 * exactly one end(), in which ferry_error_text() and ferry_reply_code() are about that file. No call
 * with the handle that begins an operation is possible in them. */
struct ferry_many {
	size_t struct_size;
	bool times; /* ask for mtime where FEAT offers MDTM */
	/* File i is there, before its first byte or, if it is empty, before its end. size and mtime:
	 * as the server announced them, or -1 and INT64_MIN. Nonzero ends the file as in
	 * ferry_write_cb. */
	int (*begin)(size_t i, int64_t size, int64_t mtime, void *user);
	int (*write)(size_t i, const void *data, size_t n, void *user);
	void (*end)(size_t i, int result, void *user);
	/* What a listing has told of the files, or NULL: SIZE is asked only where sizes[i]
	 * is -1, and MDTM where mtimes[i] is INT64_MIN. The count of bytes must agree with
	 * it all the same. */
	const int64_t *sizes, *mtimes;
	/* Where files come one by one, the next one's questions and its EPSV go out in one
	 * write with the RETR before, and RETR does not wait until the connection stands.
	 * Once a passive mode has worked in the session, and until the server's replies do
	 * not fit to that. */
	bool ahead;
	/* Asked when the last file is to be asked for: is there one more? Its path, which
	 * is copied and counts as the next one; NULL: none now. */
	const char *(*more)(int64_t *ret_size, int64_t *ret_mtime, void *user);
};
/* Downloads n files, each as good as with ferry_get(). In MODE B they come over one data connection,
 * asked for ahead of time; a file that fails does not harm the others. When the server refuses
 * MODE B, or that connection breaks, the rest comes as single transfers. 0: every file was tried.
 * Else the failure that ended it: files without an end() were not tried. */
FERRY_API int ferry_get_many(struct ferry *h, const char *const *paths, size_t n,
    const struct ferry_many *many, void *user);

enum ferry_put_how {
	FERRY_PUT_STORE,  /* STOR; with offset > 0 REST first: the callback delivers from offset on */
	FERRY_PUT_APPEND, /* APPE */
	FERRY_PUT_UNIQUE, /* STOU: the server chooses the name, see ferry_unique_name() */
};
/* Uploads. size: bytes the callback will deliver, or -1 if unknown; when known, another count is
 * -FERRY_ESHORT. */
FERRY_API int ferry_put(struct ferry *h, const char *path, enum ferry_put_how how, uint64_t offset,
    int64_t size, ferry_read_cb *cb, void *user);

#define FERRY_PUT_OPEN_MAX 2 /* files of ferry_put_many() that are open at a time */

/* Where the files of ferry_put_many() come from; i counts the paths from 0. Every file
 * that was tried gets exactly one end(), in which ferry_error_text() and
 * ferry_reply_code() are about that file. No call with the handle that begins an
 * operation is possible in them. */
struct ferry_put_many {
	size_t struct_size;
	/* File i comes next: it is opened before anything is sent for it. *ret_size:
	 * bytes that it will have, or left as it is if that is not known; another count
	 * is -FERRY_ESHORT. Nonzero: nothing is sent for it, and its end() comes at once,
	 * with -FERRY_ELOCAL. */
	int (*open)(size_t i, int64_t *ret_size, void *user);
	/* As ferry_read_cb. */
	int64_t (*read)(size_t i, void *data, size_t max, void *user);
	/* A file that was open when the operation ended early, and of which nothing was
	 * sent, has -FERRY_EABORTED. */
	void (*end)(size_t i, int result, void *user);
	/* Where files go one by one, the next one's EPSV is in one write with the STOR
	 * before, and a file's bytes do not wait for the server's 150. Once a passive
	 * mode has worked in the session, and until the server's replies do not fit to
	 * that. */
	bool ahead;
	/* As in ferry_many. */
	const char *(*more)(void *user);
};
/* Uploads n files under those names, each as good as with FERRY_PUT_STORE. In MODE B they
 * share one data connection, and the next command is sent ahead. What is refused or
 * broken is as with ferry_get_many(), and so is the result. */
FERRY_API int ferry_put_many(struct ferry *h, const char *const *paths, size_t n,
    const struct ferry_put_many *many, void *user);
/* Name the server gave to the last FERRY_PUT_UNIQUE, or NULL. */
FERRY_API const char *ferry_unique_name(const struct ferry *h);

FERRY_API int ferry_chdir(struct ferry *h, const char *path);
FERRY_API int ferry_chdir_up(struct ferry *h);
/* *ret_path is allocated: free(). */
FERRY_API int ferry_pwd(struct ferry *h, char **ret_path);
/* *ret_path: the name the server reports, or NULL if it does not; may be NULL itself. free(). */
FERRY_API int ferry_mkdir(struct ferry *h, const char *path, char **ret_path);
FERRY_API int ferry_rmdir(struct ferry *h, const char *path);
FERRY_API int ferry_delete(struct ferry *h, const char *path);
FERRY_API int ferry_rename(struct ferry *h, const char *from, const char *to);

/* ---------------------------------------------------------------- URLs */

/* An ftp://, ftpes:// or ftps:// URL, taken apart (RFC 1738 3.2, RFC 3986). */
struct ferry_url {
	char *scheme;   /* "ftp", "ftpes" (TLS by AUTH TLS) or "ftps" (TLS from the first byte) */
	char *user;     /* decoded, or NULL */
	char *password; /* decoded, or NULL: wiped by ferry_url_clear */
	char *host;     /* without the brackets of an IPv6 address */
	uint16_t port;  /* 0: not given */
	char *path;     /* decoded; relative to the login directory: "a/b"; "/etc" if it began %2F; "" */
	char type;      /* 'a', 'i', 'd' of ";type=", or 0 */
};

/* 0; -FERRY_EINVAL: not a URL that we serve, with *ret_why telling why in words (static text);
 * -FERRY_ENOMEM. CR, LF and NUL are refused wherever they hide (%0d%0a). */
FERRY_API int ferry_url_parse(const char *text, struct ferry_url *ret, const char **ret_why);
FERRY_API void ferry_url_clear(struct ferry_url *u);
/* What the scheme asks for, for ferry_set_tls(): ftp FERRY_TLS_AUTO, ftpes FERRY_TLS_EXPLICIT, ftps
 * FERRY_TLS_IMPLICIT. */
FERRY_API enum ferry_tls ferry_url_tls(const struct ferry_url *u);

/* "0.1.0" */
FERRY_API const char *ferry_version(void);

#ifdef __cplusplus
}
#endif

#endif
