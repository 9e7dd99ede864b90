/*
 * The record and its diagrams: nothing secret comes in, nothing that is foreign gets out
 * as anything but text, and the file says the same when it is read again.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "address.h"
#include "own.h"
#include "trace.h"

#define HOSTILE                                                                          \
	"230 </code></style><script>alert(1)</script>\033[31m]]>&lt;\"'"                 \
	"%%{init: {}}%%;end\xe2\x80\xae\xff"

static struct sockaddr_storage
place(const char *address, uint16_t port)
{
	struct sockaddr_storage a = {.ss_family = AF_UNSPEC};

	assert_int_equal(address_parse(address, port, &a), 0);
	return a;
}

static struct record *
new_record(void)
{
	struct record *r = NULL;

	assert_int_equal(record_new(1795444000, &r), 0);
	return r;
}

static void
add(struct record *r, struct ferry_event ev)
{
	record_add(r, &(struct record_item){.kind = RECORD_EVENT, .ev = ev});
}

static void
add_text(struct record *r, enum ferry_event_kind kind, const char *text)
{
	add(r, (struct ferry_event){.kind = kind, .text = text});
}

static char *
print(const struct record *r, const char *file)
{
	char *text = NULL;
	size_t n = 0;
	FILE *f = open_memstream(&text, &n);

	assert_non_null(f);
	assert_int_equal(trace_print(file, r, f), 0);
	fclose(f);
	return text;
}

static const char *const files[] = {
    "a.html", "dir/a.svg", "./a.txt", "/x/y.z/a.JSON", "a.b.mmd"};

/* ---------------------------------------------------------------- what comes in */

static void
masks_secrets(void **state)
{
	static const struct {
		enum ferry_event_kind kind;
		const char *text, *want;
	} rows[] = {
	    {FERRY_EV_COMMAND, "PASS ****", "PASS ****"},
	    {FERRY_EV_COMMAND, "PASS geheim", "PASS ****"},
	    {FERRY_EV_COMMAND, "pass  ge heim", "pass  ****"},
	    {FERRY_EV_COMMAND, "ACCT\tgeheim", "ACCT\t****"},
	    {FERRY_EV_COMMAND, "SITE PSWD geheim new", "SITE PSWD ****"},
	    {FERRY_EV_COMMAND, "PASS", "PASS"},
	    {FERRY_EV_COMMAND, "PASSIVE geheim", "PASSIVE geheim"},
	    {FERRY_EV_COMMAND, "RETR PASS", "RETR PASS"},
	    {FERRY_EV_REPLY, "230 PASS tells nothing", "230 PASS tells nothing"},
	    {FERRY_EV_REPLY, "230 your password hunter22!", "230 your password ****!"},
	    {FERRY_EV_REPLY, "hunter22hunter2", "********"},
	    {FERRY_EV_REPLY, "230 hunter", "230 hunter"},
	    {FERRY_EV_REPLY, "see ftp://anna:a:b@c@host/x ftps://b:c@h",
		"see ftp://anna:****@host/x ftps://b:****@h"},
	    {FERRY_EV_REPLY, "ftp://host:21/a@b ftp://anna@host",
		"ftp://host:21/a@b ftp://anna@host"},
	    {FERRY_EV_WARNING, "\033[31m\r\nx\ty", "^[[31m\nx\ty"},
	};
	struct record *r = new_record();

	record_hide(r, "hunter2");
	record_hide(r, "hunter22");
	record_hide(r, "x"); /* would tell more than it hides */
	record_hide(r, NULL);
	for (size_t i = 0; i < ARRAY_LEN(rows); i++)
		add_text(r, rows[i].kind, rows[i].text);
	assert_int_equal(record_count(r), ARRAY_LEN(rows));
	for (size_t i = 0; i < ARRAY_LEN(rows); i++)
		assert_string_equal(record_at(r, i)->ev.text, rows[i].want);
	record_free(r);
}

static void
hides_what_a_typed_command_sends(void **state)
{
	struct record *r = new_record();

	add_text(r, FERRY_EV_REPLY, "220 geheim");
	record_hide_argument(r, "pass geheim");
	record_hide_argument(r, "RETR report");
	add(r, (struct ferry_event){.kind = FERRY_EV_REPLY,
		   .text = "230 geheim report",
		   .command = "PASS geheim"});
	assert_string_equal(record_at(r, 0)->ev.text, "220 ****");
	assert_string_equal(record_at(r, 1)->ev.text, "230 **** report");
	assert_string_equal(record_at(r, 1)->ev.command, "PASS ****");
	record_free(r);
}

static void
is_bounded(void **state)
{
	struct record *r = new_record();
	_cleanup_free_ char *long_text = malloc(100001);
	unsigned lost = 0;

	memset(long_text, '\033', 100000);
	long_text[100000] = '\0';
	for (unsigned i = 0; i < 30000; i++)
		add(r, (struct ferry_event){.kind = FERRY_EV_COMMAND,
			   .text = i % 16 == 0 ? long_text : "NOOP",
			   .count = i,
			   .time = i});
	for (size_t i = 0; i < record_count(r); i++)
		if (record_at(r, i)->kind == RECORD_GAP)
			lost += record_at(r, i)->ev.count;
	assert_in_range(record_count(r), 600, 20000);
	assert_int_equal(record_at(r, 0)->ev.count, 0);
	assert_int_equal(record_at(r, record_count(r) - 1)->ev.count, 29999);
	assert_int_equal(record_count(r) - 1 + lost, 30000);
	assert_in_range(strlen(record_at(r, 0)->ev.text), 1, 16384);
	record_free(r);
}

static void
keeps_the_last_progress_only(void **state)
{
	struct record *r = new_record();

	for (unsigned i = 1; i < 100; i++)
		add(r, (struct ferry_event){.kind = FERRY_EV_PROGRESS, .bytes = i});
	assert_int_equal(record_count(r), 1);
	assert_int_equal(record_at(r, 0)->ev.bytes, 99);
	record_free(r);
}

/* ---------------------------------------------------------------- what goes out */

/* A session from behind a router, which fails. */
static struct record *
session(void)
{
	struct record *r = new_record();
	struct sockaddr_storage own = place("192.168.1.50", 49320),
				server = place("203.0.113.10", 21),
				port = place("192.168.1.50", 50187);

	record_add(
	    r, &(struct record_item){.kind = RECORD_PLAN,
		   .ev = {.mode = FERRY_MODE_PORT, .text = "RETR", .path = HOSTILE}});
	add_text(r, FERRY_EV_RESOLVED, HOSTILE);
	add(r, (struct ferry_event){
		   .kind = FERRY_EV_CONNECTED, .local = own, .remote = server});
	add(r, (struct ferry_event){.kind = FERRY_EV_REPLY,
		   .code = 220,
		   .text = HOSTILE "\n" HOSTILE,
		   .command = ""});
	add_text(r, FERRY_EV_COMMAND, "PASS geheim");
	add_text(r, FERRY_EV_WARNING, HOSTILE);
	add(r, (struct ferry_event){.kind = FERRY_EV_MODE, .mode = FERRY_MODE_PORT});
	add(r, (struct ferry_event){
		   .kind = FERRY_EV_LISTENING, .channel = FERRY_DATA, .local = port});
	add_text(r, FERRY_EV_COMMAND, "PORT 192,168,1,50,196,11");
	add(r, (struct ferry_event){.kind = FERRY_EV_REPLY,
		   .code = 500,
		   .text = "500 but you come from 198.51.100.7."});
	add(r,
	    (struct ferry_event){
		.kind = FERRY_EV_MODE_FAILED, .mode = FERRY_MODE_PORT, .text = HOSTILE});
	record_add(r, &(struct record_item){.kind = RECORD_END,
			  .ev = {.error = FERRY_EDATA, .text = HOSTILE}});
	return r;
}

static void
never_in(const char *text, const char *never)
{
	if (strstr(text, never) != NULL)
		fail_msg("\"%s\" in:\n%s", never, text);
}

static void
foreign_text_is_only_text(void **state)
{
	struct record *r = session();

	for (size_t i = 0; i < ARRAY_LEN(files); i++) {
		_cleanup_free_ char *text = print(r, files[i]);
		const char *end = strrchr(files[i], '.');
		never_in(text, "\033");
		never_in(text, "\xe2\x80\xae");
		never_in(text, "geheim");
		if (strcmp(end, ".html") == 0 || strcmp(end, ".svg") == 0) {
			never_in(text, "<script");
			never_in(text, "</code></style>");
		}
		if (strcmp(end, ".mmd") == 0) {
			never_in(text, "<script");
			never_in(text, "%%{");
			never_in(text, "%%;");
		}
		assert_non_null(strstr(text, "198.51.100.7"));
	}
	record_free(r);
}

static void
end(struct record *r, int error, const char *path)
{
	record_add(r, &(struct record_item){
			  .kind = RECORD_PLAN, .ev = {.text = "RETR", .path = path}});
	record_add(r, &(struct record_item){
			  .kind = RECORD_END, .ev = {.error = error, .text = "no way"}});
}

static void
tells_first_what_matters(void **state)
{
	static const struct {
		int errors[3];
		const char *paths[3], *want, *count;
	} rows[] = {
	    {{0, 0, 0}, {"a", "b", "c"}, "done", "3 of 3"},
	    {{0, FERRY_EDATA, 0}, {"a", "b", "c"}, "failed", "2 of 3"},
	    {{FERRY_EDATA, 0, 0}, {"a", "a", "b"}, "done", "2 of 2"},
	    {{0, FERRY_EDATA, 0}, {"a", "a", "b"}, "failed", "2 of 3"},
	};

	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct record *r = new_record();
		char banner[64];
		for (size_t k = 0; k < 3; k++)
			end(r, rows[i].errors[k], rows[i].paths[k]);
		_cleanup_free_ char *html = print(r, "a.html");
		snprintf(
		    banner, sizeof banner, "<div class=\"outcome %s\"", rows[i].want);
		assert_ptr_equal(
		    strstr(html, "<div class=\"outcome"), strstr(html, banner));
		assert_non_null(strstr(html, rows[i].count));
		record_free(r);
	}
}

static void
pages_need_nothing_from_elsewhere(void **state)
{
	static const char *const never[] = {
	    "http:", "https:", "src=", "href=", "url(", "@import", "<script", "<img"};
	struct record *r = session();
	_cleanup_free_ char *html = print(r, "a.html"), *svg = print(r, "a.svg");

	assert_non_null(
	    strstr(html, "content=\"default-src 'none'; style-src 'unsafe-inline'"));
	for (size_t i = 0; i < ARRAY_LEN(never); i++)
		assert_null(strstr(html, never[i]));
	for (size_t i = 1; i < ARRAY_LEN(never); i++)
		assert_null(strstr(svg, never[i]));
	record_free(r);
}

static void
text_has_a_hundred_columns(void **state)
{
	struct record *r = session();
	_cleanup_free_ char *text = print(r, "a.txt");

	assert_non_null(strstr(text, "YOUR ROUTER"));
	assert_non_null(strstr(text, "196 x 256 + 11 = 50187"));
	assert_non_null(strstr(text, "FAILED: active mode cannot work from behind"));
	for (char *line = strtok(text, "\n"); line != NULL; line = strtok(NULL, "\n"))
		if (line[0] == ' ')
			assert_in_range(strlen(line), 1, 100);
	record_free(r);
}

/* ---------------------------------------------------------------- the file */

/* One event that has everything. */
static void
add_all_members(struct record *r)
{
	struct record_item item = {
	    .kind = RECORD_EVENT,
	    .quiet = true,
	    .ev = {.kind = FERRY_EV_DATA_END,
		.channel = FERRY_DATA,
		.mode = FERRY_MODE_EPRT,
		.text = "a",
		.code = 226,
		.command = "b",
		.path = "c",
		.upload = true,
		.bytes = UINT64_C(1) << 40,
		.wire = 7,
		.size = 8,
		.count = 9,
		.seconds = 0.5,
		.error = FERRY_ESHORT,
		.sys_errno = EHOSTUNREACH,
		.cipher = "d",
		.fingerprint = "e",
		.trust = FERRY_TRUST_PIN,
		.resumed = true,
		.time = 1.25,
		.local = place("192.0.2.1", 1),
		.remote = place("2001:db8::2", 65535),
		.used = place("192.0.2.3", 3)},
	};

	record_add(r, &item);
}

/* As it is in the file, without blanks. */
static const char all_members[] =
    "{\"event\":\"data-end\",\"time\":1.25,\"channel\":\"data\",\"mode\":\"EPRT\","
    "\"text\":\"a\",\"code\":226,\"command\":\"b\",\"local\":{\"address\":"
    "\"192.0.2.1\",\"port\":1},\"remote\":{\"address\":\"2001:db8::2\",\"port\":65535},"
    "\"used\":{\"address\":\"192.0.2.3\",\"port\":3},\"path\":\"c\",\"upload\":true,"
    "\"bytes\":1099511627776,\"wire\":7,\"size\":8,\"count\":9,\"seconds\":0.5,"
    "\"error\":\"short\",\"errno\":\"EHOSTUNREACH\",\"cipher\":\"d\","
    "\"fingerprint\":\"e\",\"trust\":\"pin\",\"resumed\":true,\"quiet\":true}";

static void
remove_blanks(char *text)
{
	char *out = text;

	for (; *text != '\0'; text++)
		if (*text != ' ' && *text != '\n')
			*out++ = *text;
	*out = '\0';
}

static void
every_member_is_in_the_file(void **state)
{
	struct record *r = new_record(), *again = NULL;
	_cleanup_free_ char *text = NULL;
	const struct ferry_event *ev;
	char why[200];

	add_all_members(r);
	text = print(r, "a.json");
	assert_int_equal(record_parse(text, strlen(text), &again, why, sizeof why), 0);
	remove_blanks(text);
	assert_non_null(strstr(text, all_members));
	ev = &record_at(again, 0)->ev;
	assert_true(ev->upload && ev->resumed && record_at(again, 0)->quiet);
	assert_int_equal(ev->bytes, UINT64_C(1) << 40);
	assert_int_equal(ev->error, FERRY_ESHORT);
	assert_int_equal(ev->sys_errno, EHOSTUNREACH);
	assert_int_equal(ev->trust, FERRY_TRUST_PIN);
	assert_int_equal(address_port(&ev->remote), 65535);
	assert_string_equal(ev->fingerprint, "e");
	record_free(again);
	record_free(r);
}

static void
the_file_says_the_same(void **state)
{
	struct record *r = session(), *again = NULL;
	_cleanup_free_ char *first = print(r, "a.json"), *second = NULL;
	char why[200];

	assert_int_equal(record_parse(first, strlen(first), &again, why, sizeof why), 0);
	assert_int_equal(record_count(again), record_count(r));
	second = print(again, "a.json");
	assert_string_equal(first, second);
	for (size_t i = 0; i < ARRAY_LEN(files); i++) {
		_cleanup_free_ char *a = print(r, files[i]), *b = print(again, files[i]);
		assert_string_equal(a, b);
	}
	record_free(again);
	record_free(r);
}

#define TOP(events) "{\"format\":\"ferry-trace\",\"version\":1,\"events\":[" events "]}"

static void
refuses_what_is_wrong(void **state)
{
	static const struct {
		const char *text, *why;
	} rows[] = {
	    {"", "line 1: '[' or '{' expected near end of file"},
	    {"[]", "this is not a trace of ferry"},
	    {"{\"format\":\"ferry-trace\",\"version\":2,\"events\":[]}",
		"version 1 is read here, this file has another one"},
	    {"{\"format\":\"ferry-trace\",\"version\":1}", "there are no events in it"},
	    {TOP("1"), "event 1 is no object"},
	    {TOP("{}"), "event 1 has no name"},
	    {TOP("{\"event\":\"x\\u001b[0m\",\"time\":0}"),
		"event 1: \"x^[[0m\" is not known"},
	    {TOP("{\"event\":\"mode\"}"), "event 1: \"time\" is missing or wrong"},
	    {TOP("{\"event\":\"mode\",\"time\":-1}"),
		"event 1: \"time\" is missing or wrong"},
	    {TOP("{\"event\":\"mode\",\"time\":1e99}"),
		"event 1: \"time\" is missing or wrong"},
	    {TOP("{\"event\":\"mode\",\"time\":0,\"mode\":\"sideways\"}"),
		"event 1: \"mode\" is wrong"},
	    {TOP("{\"event\":\"mode\",\"time\":0},"
		 "{\"event\":\"reply\",\"time\":0,\"code\":1000}"),
		"event 2: \"code\" is wrong"},
	    {TOP("{\"event\":\"reply\",\"time\":0,\"text\":7}"),
		"event 1: \"text\" is wrong"},
	    {TOP("{\"event\":\"closed\",\"time\":0,\"errno\":\"ENOSUCH\"}"),
		"event 1: \"errno\" is wrong"},
	    {TOP("{\"event\":\"connected\",\"time\":0,\"local\":{\"address\":\"x\","
		 "\"port\":1}}"),
		"event 1: \"local\" is wrong"},
	    {TOP("{\"event\":\"connected\",\"time\":0,\"local\":{\"address\":\"::1\","
		 "\"port\":65536}}"),
		"event 1: \"local\" is wrong"},
	    {TOP("{\"event\":\"data-end\",\"time\":0,\"bytes\":-1}"),
		"event 1: \"bytes\" is wrong"},
	    {TOP("{\"event\":\"tls\",\"time\":0,\"resumed\":1}"),
		"event 1: \"resumed\" is wrong"},
	};

	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct record *r = NULL;
		char why[200] = "";
		assert_int_equal(
		    record_parse(rows[i].text, strlen(rows[i].text), &r, why, sizeof why),
		    -FERRY_EINVAL);
		assert_null(r);
		assert_string_equal(why, rows[i].why);
	}
}

static void
ignores_what_a_later_one_may_add(void **state)
{
	static const char text[] = TOP("{\"event\":\"mode\",\"time\":0,\"more\":[]}");
	struct record *r = NULL;
	char why[200];

	assert_int_equal(record_parse(text, strlen(text), &r, why, sizeof why), 0);
	assert_int_equal(record_count(r), 1);
	record_free(r);
}

static void
knows_five_forms(void **state)
{
	static const char *const wrong[] = {
	    "a", "a.jpg", ".html", "dir.html/a", "html", "a.htm", "a.json.gz"};
	char why[200];

	for (size_t i = 0; i < ARRAY_LEN(wrong); i++) {
		assert_int_equal(trace_check(wrong[i], why, sizeof why), -FERRY_EINVAL);
		assert_non_null(strstr(why, ".html, .svg, .txt, .json or .mmd"));
	}
	assert_int_equal(trace_check("a.html", why, sizeof why), 0);
	assert_int_equal(
	    trace_check("/nonexistent/a.html", why, sizeof why), -FERRY_ELOCAL);
}

int
main(void)
{
	static const struct CMUnitTest tests[] = {
	    cmocka_unit_test(masks_secrets),
	    cmocka_unit_test(hides_what_a_typed_command_sends),
	    cmocka_unit_test(is_bounded),
	    cmocka_unit_test(keeps_the_last_progress_only),
	    cmocka_unit_test(foreign_text_is_only_text),
	    cmocka_unit_test(tells_first_what_matters),
	    cmocka_unit_test(pages_need_nothing_from_elsewhere),
	    cmocka_unit_test(text_has_a_hundred_columns),
	    cmocka_unit_test(every_member_is_in_the_file),
	    cmocka_unit_test(the_file_says_the_same),
	    cmocka_unit_test(refuses_what_is_wrong),
	    cmocka_unit_test(ignores_what_a_later_one_may_add),
	    cmocka_unit_test(knows_five_forms),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
