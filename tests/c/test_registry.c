/* SPDX-License-Identifier: BSD-3-Clause */
/* test_registry.c - the registry of groups between real processes: who is a member, who was killed,
 * what the record says after a crash, whose folders are refused.
 *
 * In a network namespace of this process the registry is empty. Needs root, as test_lo.h.
 *
 * Threads: one a process. */
#include "test_lo.h"

#include "base/err.h"
#include "base/util.h"
#include "kern/registry.h"

#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>

#define NOBODY 65534

static unsigned group; /* each test's own */
static const struct accel_registry_head plain = {.generation = 1};

static int next_group(void **state)
{
	(void)state;
	group++;
	return 0;
}

static void open_one(struct accel_registry *r)
{
	need_lo();
	assert_int_equal(accel_registry_open(r, group, NULL), 0);
}

/* Open and lock; the files may be removed meanwhile. */
static void open_locked(struct accel_registry *r)
{
	int e;

	do {
		open_one(r);
		e = accel_registry_lock(r, NULL);
		if (e < 0)
			accel_registry_close(r);
	} while (e == -ESTALE);
	assert_int_equal(e, 0);
}

static void join(struct accel_registry *r)
{
	open_locked(r);
	assert_int_equal(accel_registry_join(r, "pfq:lo", NULL), 0);
	accel_registry_unlock(r);
}

static void write_text(struct accel_registry *r, const char *text)
{
	assert_int_equal(accel_registry_lock(r, NULL), 0);
	assert_int_equal(accel_registry_write(r, &plain, text, NULL), 0);
	accel_registry_unlock(r);
}

static void assert_text(struct accel_registry *r, const char *expected)
{
	struct accel_registry_head head;
	char *text;

	assert_int_equal(accel_registry_lock(r, NULL), 0);
	assert_int_equal(accel_registry_read(r, &head, &text, NULL), 0);
	accel_registry_unlock(r);
	assert_string_equal(text, expected);
	free(text);
}

/* The path of a file of the group, of kind 'g' or 'm'. */
static void path_of(char kind, char *path, size_t len)
{
	struct stat ns;

	assert_int_equal(stat("/proc/self/ns/net", &ns), 0);
	snprintf(path, len, "/run/pcap-accel/%llu/%c%u", (unsigned long long)ns.st_ino, kind,
		 group);
}

/* Members are counted by members and by others, and places are given again. */
static void test_join_and_leave(void **state)
{
	struct accel_registry a, b, c, visitor;

	(void)state;
	open_one(&visitor);
	assert_int_equal(accel_registry_count(&visitor), 0);
	join(&a);
	join(&b);
	join(&c);
	assert_int_equal(a.slot, 0);
	assert_int_equal(c.slot, 2);
	assert_int_equal(accel_registry_count(&a), 3);
	assert_int_equal(accel_registry_count(&b), 3);
	assert_int_equal(accel_registry_count(&visitor), 3);
	accel_registry_close(&b);
	assert_int_equal(b.record_fd, -1);
	assert_int_equal(accel_registry_count(&visitor), 2);
	assert_int_equal(accel_registry_count(&c), 2);
	join(&b);
	assert_int_equal(b.slot, 1);
	accel_registry_close(&a);
	accel_registry_close(&b);
	accel_registry_close(&c);
	assert_int_equal(accel_registry_count(&visitor), 0);
	accel_registry_close(&visitor);
}

/* Groups of other numbers have their own members. */
static void test_other_number(void **state)
{
	struct accel_registry here, there;

	(void)state;
	join(&here);
	group++;
	open_one(&there);
	assert_int_equal(accel_registry_count(&there), 0);
	accel_registry_close(&here);
	accel_registry_close(&there);
}

/* In the other namespace of a child the group has no member. */
static void test_other_namespace(void **state)
{
	struct accel_registry r;
	int status;
	pid_t pid;

	(void)state;
	join(&r);
	pid = fork();
	if (pid == 0) {
		struct accel_registry other;

		if (unshare(CLONE_NEWNET) < 0 || accel_registry_open(&other, group, NULL) < 0)
			_exit(100);
		_exit((int)accel_registry_count(&other));
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_int_equal(status, 0);
	accel_registry_close(&r);
}

/* A process that is a member until it is killed. */
static pid_t fork_member(const char *text)
{
	int ready[2];
	pid_t pid;
	char c;

	assert_int_equal(pipe(ready), 0);
	pid = fork();
	if (pid == 0) {
		struct accel_registry r;

		join(&r);
		if (text)
			write_text(&r, text);
		if (write(ready[1], "", 1) != 1)
			_exit(1);
		for (;;)
			pause();
	}
	assert_int_equal(read(ready[0], &c, 1), 1);
	close(ready[0]);
	close(ready[1]);
	return pid;
}

static void kill_member(pid_t pid)
{
	int status;

	assert_int_equal(kill(pid, SIGKILL), 0);
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_true(WIFSIGNALED(status));
}

/* Who is killed is no member, and what the dead had agreed on is forgotten. */
static void test_killed(void **state)
{
	struct accel_registry visitor;
	pid_t one, other;

	(void)state;
	open_one(&visitor);
	one = fork_member("what they agreed on");
	other = fork_member(NULL);
	assert_int_equal(accel_registry_count(&visitor), 2);
	assert_text(&visitor, "what they agreed on");
	kill_member(one);
	assert_int_equal(accel_registry_count(&visitor), 1);
	assert_text(&visitor, "what they agreed on");
	kill_member(other);
	assert_int_equal(accel_registry_count(&visitor), 0);
	assert_text(&visitor, "");
	join(&visitor);
	assert_int_equal(visitor.slot, 0);
	accel_registry_close(&visitor);
}

/* ---- who is in it ---- */

static struct accel_registry_member members[8];

/* The members as somebody sees them who is none. */
static size_t look(void)
{
	struct accel_registry r;
	size_t n;

	memset(members, 0x5a, sizeof(members));
	if (accel_registry_visit(&r, group, NULL) < 0)
		return 0;
	assert_int_equal(accel_registry_lock(&r, NULL), 0);
	accel_registry_members(&r, members, ACCEL_ARRAY_LEN(members), &n);
	accel_registry_unlock(&r);
	accel_registry_close(&r);
	return n;
}

/* Each member has said who it is; who is gone is not told of, and a place given again tells of the
 * new one. */
static void test_members(void **state)
{
	struct accel_registry a, b, c;
	struct timespec before, after;
	char name[64] = "";
	pid_t pid;
	int fd;

	(void)state;
	fd = open("/proc/self/comm", O_RDONLY | O_CLOEXEC);
	assert_true(read(fd, name, sizeof(name) - 1) > 0);
	close(fd);
	name[strcspn(name, "\n")] = '\0';
	clock_gettime(CLOCK_REALTIME, &before);
	join(&a);
	pid = fork_member(NULL);
	join(&b);
	clock_gettime(CLOCK_REALTIME, &after);
	assert_int_equal(look(), 3);
	assert_int_equal(members[0].pid, getpid());
	assert_int_equal(members[1].pid, pid);
	for (unsigned i = 0; i < 3; i++) {
		assert_int_equal(members[i].slot, i);
		assert_string_equal(members[i].program, name);
		assert_string_equal(members[i].device, "pfq:lo");
		assert_true(members[i].since_ns / 1000000000 >= (uint64_t)before.tv_sec);
		assert_true(members[i].since_ns / 1000000000 <= (uint64_t)after.tv_sec);
	}
	kill_member(pid);
	assert_int_equal(look(), 2);
	assert_int_equal(members[1].slot, 2);
	open_locked(&c);
	assert_int_equal(accel_registry_join(&c, "pfq:eth0:eth1", NULL), 0);
	accel_registry_unlock(&c);
	assert_int_equal(look(), 3);
	assert_int_equal(members[1].slot, 1);
	assert_string_equal(members[1].device, "pfq:eth0:eth1");
	accel_registry_close(&a);
	accel_registry_close(&b);
	accel_registry_close(&c);
	assert_int_equal(look(), 0);
}

/* A long name is cut. A place that another version wrote, or that is cut off, tells nothing. */
static void test_strange_members(void **state)
{
	char device[300], path[256];
	struct accel_registry r;
	int fd;

	(void)state;
	memset(device, 'd', sizeof(device) - 1);
	device[sizeof(device) - 1] = '\0';
	open_locked(&r);
	assert_int_equal(accel_registry_join(&r, device, NULL), 0);
	accel_registry_unlock(&r);
	assert_int_equal(look(), 1);
	assert_int_equal(strlen(members[0].device), sizeof(members[0].device) - 1);
	path_of('m', path, sizeof(path));
	fd = open(path, O_RDWR | O_CLOEXEC);
	assert_int_equal(pwrite(fd, "other-1", 8, ACCEL_REGISTRY_MAX_MEMBERS), 8);
	assert_int_equal(look(), 1);
	assert_int_equal(members[0].pid, 0);
	assert_string_equal(members[0].device, "");
	assert_int_equal(ftruncate(fd, ACCEL_REGISTRY_MAX_MEMBERS + 20), 0);
	assert_int_equal(look(), 1);
	assert_int_equal(members[0].pid, 0);
	close(fd);
	accel_registry_close(&r);
}

/* Room for fewer members is room for fewer; how many there are is told all the same. */
static void test_little_room(void **state)
{
	struct accel_registry a, b, visitor;
	size_t n;

	(void)state;
	join(&a);
	join(&b);
	memset(members, 0x5a, sizeof(members));
	assert_int_equal(accel_registry_visit(&visitor, group, NULL), 0);
	accel_registry_members(&visitor, members, 1, &n);
	assert_int_equal(n, 2);
	assert_int_equal(members[0].pid, getpid());
	assert_int_equal(members[1].pid, 0x5a5a5a5a);
	accel_registry_members(&a, NULL, 0, &n); /* a member counts itself */
	assert_int_equal(n, 2);
	accel_registry_close(&visitor);
	accel_registry_close(&a);
	accel_registry_close(&b);
}

/* A process that is killed while it holds the lock keeps nobody waiting. */
static void test_killed_with_the_lock(void **state)
{
	struct accel_registry r;
	int ready[2], status;
	pid_t pid;
	char c;

	(void)state;
	need_lo();
	assert_int_equal(pipe(ready), 0);
	pid = fork();
	if (pid == 0) {
		open_one(&r);
		if (accel_registry_lock(&r, NULL) < 0 || write(ready[1], "", 1) != 1)
			_exit(1);
		for (;;)
			pause();
	}
	assert_int_equal(read(ready[0], &c, 1), 1);
	open_one(&r);
	assert_int_equal(kill(pid, SIGKILL), 0);
	assert_int_equal(accel_registry_lock(&r, NULL), 0);
	accel_registry_unlock(&r);
	assert_int_equal(waitpid(pid, &status, 0), pid);
	accel_registry_close(&r);
	close(ready[0]);
	close(ready[1]);
}

/* A member that has become another user, without any privilege, stays a member, writes and reads. */
static void test_privileges_dropped(void **state)
{
	struct accel_registry visitor, mine;
	int status;
	pid_t pid;

	(void)state;
	join(&visitor);
	pid = fork();
	if (pid == 0) {
		join(&mine);
		if (setgid(NOBODY) < 0 || setuid(NOBODY) < 0)
			_exit(100);
		write_text(&mine, "by nobody");
		_exit((int)accel_registry_count(&mine));
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_true(WIFEXITED(status));
	assert_int_equal(WEXITSTATUS(status), 2);
	assert_text(&visitor, "by nobody");
	accel_registry_close(&visitor);
}

/* ---- groups that outlive their members ---- */

static void write_kept(struct accel_registry *r, const char *text, bool kept)
{
	const struct accel_registry_head head = {.generation = 7, .kept = kept};

	assert_int_equal(accel_registry_lock(r, NULL), 0);
	assert_int_equal(accel_registry_write(r, &head, text, NULL), 0);
	accel_registry_unlock(r);
}

static bool is_listed(void)
{
	uint16_t groups[8];
	size_t n;

	assert_int_equal(accel_registry_list(groups, ACCEL_ARRAY_LEN(groups), &n, NULL), 0);
	for (size_t i = 0; i < n; i++)
		if (groups[i] == group)
			return true;
	return false;
}

static bool has_file(char kind)
{
	char path[256];

	path_of(kind, path, sizeof(path));
	return access(path, F_OK) == 0;
}

/* A kept record is there when nobody is; one that is kept no longer goes with who wrote that. */
static void test_kept(void **state)
{
	struct accel_registry_head head;
	struct accel_registry r;
	char *text;

	(void)state;
	join(&r);
	write_kept(&r, "what is kept", true);
	accel_registry_close(&r);
	assert_true(is_listed());
	open_locked(&r);
	assert_int_equal(accel_registry_read(&r, &head, &text, NULL), 0);
	assert_string_equal(text, "what is kept");
	assert_int_equal(head.generation, 7);
	assert_true(head.kept);
	free(text);
	accel_registry_unlock(&r);
	write_kept(&r, "what is kept", false);
	accel_registry_close(&r);
	assert_false(is_listed());
	assert_false(has_file('g'));
	assert_false(has_file('m'));
}

/* Inode numbers of namespaces are given again: a record that was kept in another one is void. */
static void test_kept_elsewhere(void **state)
{
	struct accel_registry r;

	(void)state;
	open_one(&r);
	if (r.cookie == 0) {
		accel_registry_close(&r);
		print_message("skipped: no SO_NETNS_COOKIE before Linux 5.14\n");
		skip();
	}
	r.cookie++;
	write_kept(&r, "of another namespace", true);
	accel_registry_close(&r);
	assert_true(has_file('g'));
	open_one(&r);
	assert_text(&r, "");
	accel_registry_close(&r);
	assert_false(has_file('g'));
}

/* Files whose members are gone, of whom the last could not remove them: whoever lists groups does,
 * or opens one and closes it. */
static void test_stale_files(void **state)
{
	struct accel_registry visitor;

	(void)state;
	kill_member(fork_member("what they agreed on"));
	assert_true(has_file('g'));
	assert_true(has_file('m'));
	assert_false(is_listed());
	assert_false(has_file('g'));
	assert_false(has_file('m'));
	kill_member(fork_member("what they agreed on"));
	assert_int_equal(accel_registry_visit(&visitor, group, NULL), 0);
	accel_registry_close(&visitor);
	assert_false(has_file('g'));
}

/* A member among them keeps them. */
static void test_files_of_the_living(void **state)
{
	struct accel_registry r, visitor;

	(void)state;
	join(&r);
	assert_true(is_listed());
	open_one(&visitor);
	accel_registry_close(&visitor);
	assert_true(has_file('g'));
	assert_true(has_file('m'));
	accel_registry_close(&r);
	assert_false(has_file('g'));
	assert_int_equal(accel_registry_visit(&visitor, group, NULL), -ENOENT);
}

/* A child that joins in a new network namespace, whose folder is not there yet, and loses its files
 * as if it were killed, but keeps the namespace until it is. *folder is its registry's. */
static pid_t fork_elsewhere(char folder[128], bool kept)
{
	char command[64];
	int told[2];
	pid_t pid;

	assert_int_equal(pipe(told), 0);
	pid = fork();
	if (pid == 0) {
		struct accel_registry r;
		struct stat ns;

		if (unshare(CLONE_NEWNET) < 0 || stat("/proc/self/ns/net", &ns) < 0)
			_exit(100);
		snprintf(command, sizeof(command), "rm -rf /run/pcap-accel/%llu",
			 (unsigned long long)ns.st_ino);
		if (system(command) != 0)
			_exit(101);
		join(&r);
		write_kept(&r, "what is kept", kept);
		close(r.members_fd);
		close(r.record_fd);
		if (write(told[1], r.folder, 128) != 128)
			_exit(102);
		for (;;)
			pause();
	}
	assert_int_equal(read(told[0], folder, 128), 128);
	close(told[0]);
	close(told[1]);
	return pid;
}

/* The first group of a network namespace finds what members in others have left behind, and removes
 * it; but not what is kept, nor what lives. */
static void test_sweep(void **state)
{
	char folders[3][128], path[512];
	struct accel_registry r;
	pid_t pids[3];

	(void)state;
	join(&r);
	pids[0] = fork_elsewhere(folders[0], true);
	pids[1] = fork_elsewhere(folders[1], false);
	snprintf(path, sizeof(path), "%s/g%u", folders[1], group);
	assert_int_equal(access(path, F_OK), 0);
	pids[2] = fork_elsewhere(folders[2], false);
	assert_int_equal(access(folders[1], F_OK), -1);
	snprintf(path, sizeof(path), "%s/g%u", folders[0], group);
	assert_int_equal(access(path, F_OK), 0);
	assert_true(has_file('g'));
	for (size_t i = 0; i < ACCEL_ARRAY_LEN(pids); i++) {
		kill_member(pids[i]);
		snprintf(path, sizeof(path), "rm -rf %s", folders[i]);
		assert_int_equal(system(path), 0);
	}
	accel_registry_close(&r);
}

/* Who opened the files before the last member removed them learns so, and finds new ones. */
static void test_removed_meanwhile(void **state)
{
	struct accel_registry r, late, later;
	struct accel_err err;

	(void)state;
	join(&r);
	open_one(&late);
	accel_registry_close(&r);
	assert_false(has_file('g'));
	join(&r);
	assert_int_equal(accel_registry_lock(&late, &err), -ESTALE);
	assert_non_null(strstr(err.text, "its files were removed"));
	accel_registry_close(&late);
	assert_true(has_file('g'));
	join(&later);
	assert_int_equal(later.slot, 1);
	accel_registry_close(&r);
	accel_registry_close(&later);
}

/* Numbers come in order, as many as there is room for; files that are no group's are passed over. */
static void test_list(void **state)
{
	static const unsigned numbers[] = {65535, 7000, 0};
	static const char *const others[] = {"g", "g07001", "g65536", "gx", "h1", "g-1", "g0x10"};
	struct accel_registry r[ACCEL_ARRAY_LEN(numbers)];
	char path[256], file[300];
	uint16_t found[2] = {1, 1};
	size_t n;

	(void)state;
	for (size_t i = 0; i < ACCEL_ARRAY_LEN(numbers); i++) {
		group = numbers[i];
		join(&r[i]);
	}
	path_of('g', path, sizeof(path));
	*strrchr(path, '/') = '\0';
	for (size_t i = 0; i < ACCEL_ARRAY_LEN(others); i++) {
		snprintf(file, sizeof(file), "%s/%s", path, others[i]);
		close(open(file, O_CREAT | O_WRONLY | O_CLOEXEC, 0600));
	}
	assert_int_equal(accel_registry_list(found, 2, &n, NULL), 0);
	assert_int_equal(n, 3);
	assert_int_equal(found[0], 0);
	assert_int_equal(found[1], 7000);
	assert_int_equal(accel_registry_list(NULL, 0, &n, NULL), 0);
	assert_int_equal(n, 3);
	for (size_t i = 0; i < ACCEL_ARRAY_LEN(others); i++) {
		snprintf(file, sizeof(file), "%s/%s", path, others[i]);
		assert_int_equal(unlink(file), 0);
	}
	for (size_t i = 0; i < ACCEL_ARRAY_LEN(numbers); i++)
		accel_registry_close(&r[i]);
	group = 60000; /* the next tests' */
}

/* ---- being told ---- */

static bool is_told(int fd)
{
	struct pollfd pfd = {.fd = fd, .events = POLLIN};
	char events[4096];
	bool told = poll(&pfd, 1, 5000) == 1;

	while (read(fd, events, sizeof(events)) > 0)
		;
	return told;
}

/* Whoever watches all groups is told of a group that is made, joined, changed, left, and of a member
 * that is killed: after it is so. Looking is no news. */
static void test_watch(void **state)
{
	struct accel_registry a, b;
	struct pollfd pfd;
	pid_t pid;
	int fd;

	(void)state;
	need_lo();
	fd = accel_registry_watch(NULL);
	assert_true(fd >= 0);
	pfd = (struct pollfd){.fd = fd, .events = POLLIN};
	assert_true(fcntl(fd, F_GETFD) & FD_CLOEXEC);
	assert_int_equal(poll(&pfd, 1, 0), 0);
	join(&a);
	assert_true(is_told(fd));
	join(&b);
	assert_true(is_told(fd));
	write_text(&b, "new");
	assert_true(is_told(fd));
	assert_int_equal(look(), 2);
	assert_true(is_listed());
	assert_int_equal(poll(&pfd, 1, 0), 0);
	accel_registry_close(&b);
	assert_true(is_told(fd));
	pid = fork_member(NULL);
	assert_true(is_told(fd));
	kill_member(pid);
	assert_true(is_told(fd));
	assert_int_equal(look(), 1);
	accel_registry_close(&a); /* the last: its folder stays */
	assert_true(is_told(fd));
	join(&a);
	assert_true(is_told(fd));
	accel_registry_close(&a);
	close(fd);
}

/* Texts come back as they were, short ones after long ones too. */
static void test_record(void **state)
{
	static char longest[ACCEL_REGISTRY_MAX_LEN + 2];
	struct accel_registry r;
	struct accel_err err;

	(void)state;
	memset(longest, 'x', ACCEL_REGISTRY_MAX_LEN);
	join(&r);
	assert_text(&r, "");
	write_text(&r, "one=1\ntwo=2\n");
	assert_text(&r, "one=1\ntwo=2\n");
	write_text(&r, longest);
	assert_text(&r, longest);
	write_text(&r, "\n12\nshort");
	assert_text(&r, "\n12\nshort");
	longest[ACCEL_REGISTRY_MAX_LEN] = 'x';
	assert_int_equal(accel_registry_write(&r, &plain, longest, &err), -EFBIG);
	assert_non_null(strstr(err.text, "too large (at most 196608 bytes)"));
	assert_text(&r, "\n12\nshort");
	write_text(&r, "");
	assert_text(&r, "");
	accel_registry_close(&r);
}

/* A record that was not written to its end, or that is none, reads as empty. */
static void test_damaged_record(void **state)
{
	static const char *const damaged[] = {
		"",
		"0",
		"0 11 1 0 0",
		"0 11 1 0\n",
		"2 11 1 0 0\n",
		"0 11 1 2 0\n",
		"0 196609 1 0 0\n",
		"0 99999999999999999999 1 0 0\n",
		"0 x11 1 0 0\n",
		"0  11 1 0 0\n",
		"0 11 1 0 0 \n",
		"-1 11 1 0 0\n",
		"0 11 1 0 0\n", /* and no text */
		"hello",
		"\nhello",
	};
	struct accel_registry r;
	char path[256];
	int fd;

	(void)state;
	join(&r);
	write_text(&r, "hello world");
	path_of('g', path, sizeof(path));
	for (size_t i = 0; i < ACCEL_ARRAY_LEN(damaged); i++) {
		fd = open(path, O_WRONLY | O_TRUNC | O_CLOEXEC);
		assert_true(fd >= 0);
		assert_int_equal(write(fd, damaged[i], strlen(damaged[i])), strlen(damaged[i]));
		close(fd);
		assert_text(&r, "");
	}
	write_text(&r, "hello world");
	assert_text(&r, "hello world");
	accel_registry_close(&r);
}

/* A change wakes whoever polls, once. */
static void test_change_is_told(void **state)
{
	struct accel_registry writer, reader;
	struct pollfd pfd;

	(void)state;
	join(&writer);
	join(&reader);
	pfd = (struct pollfd){.fd = reader.watch_fd, .events = POLLIN};
	assert_false(accel_registry_changed(&reader));
	assert_int_equal(poll(&pfd, 1, 0), 0);
	write_text(&writer, "new");
	assert_int_equal(poll(&pfd, 1, 5000), 1);
	assert_true(accel_registry_changed(&reader));
	assert_false(accel_registry_changed(&reader));
	assert_int_equal(poll(&pfd, 1, 0), 0);
	/* The same text again is a change too: somebody wants to be heard. */
	write_text(&writer, "new");
	assert_true(accel_registry_changed(&reader));
	accel_registry_close(&reader);
	accel_registry_close(&writer);
}

/* In a user namespace of its own, in which there is no inotify. */
static void have_no_inotify(void)
{
	static const char *const files[][2] = {{"/proc/self/setgroups", "deny"},
					       {"/proc/self/uid_map", "0 0 1"},
					       {"/proc/self/gid_map", "0 0 1"},
					       {"/proc/sys/user/max_inotify_instances", "0"}};
	int fd;

	if (unshare(CLONE_NEWUSER) < 0)
		_exit(10);
	for (unsigned i = 0; i < ACCEL_ARRAY_LEN(files); i++) {
		fd = open(files[i][0], O_WRONLY | O_CLOEXEC);
		if (write(fd, files[i][1], strlen(files[i][1])) < 0)
			_exit(11);
		close(fd);
	}
}

static bool hears(struct accel_registry *r)
{
	struct pollfd pfd = {.fd = r->watch_fd, .events = POLLIN};

	return poll(&pfd, 1, 5000) == 1 && accel_registry_changed(r);
}

/* A user's inotify instances are few: who gets none hears of changes all the same. */
static void test_change_is_told_without_inotify(void **state)
{
	struct accel_registry_head head = plain;
	struct accel_registry r;
	int status;

	(void)state;
	join(&r);
	accel_registry_close(&r);
	if (fork() == 0) {
		have_no_inotify();
		open_locked(&r);
		accel_registry_write(&r, &head, "old", NULL);
		accel_registry_changed(&r);
		if (accel_registry_changed(&r))
			_exit(1);
		accel_registry_write(&r, &head, "old", NULL);
		if (!hears(&r) || accel_registry_changed(&r))
			_exit(2);
		head.generation++;
		accel_registry_write(&r, &head, "new", NULL);
		_exit(hears(&r) && !accel_registry_changed(&r) && r.by_time ? 0 : 3);
	}
	assert_true(wait(&status) > 0);
	assert_int_equal(status, 0);
}

/* To be woken without a change finds the record as it was. */
static void test_touch(void **state)
{
	struct accel_registry a, b;

	(void)state;
	join(&a);
	join(&b);
	write_kept(&a, "as it was", false);
	accel_registry_changed(&b);
	assert_int_equal(accel_registry_lock(&a, NULL), 0);
	accel_registry_touch(&a);
	accel_registry_unlock(&a);
	assert_true(accel_registry_changed(&b));
	assert_text(&b, "as it was");
	accel_registry_close(&a);
	accel_registry_close(&b);
}

/* Who is killed while writing leaves the old record: the new text is not in the old one's place.
 * Looked at between the writes, for a kill at the right moment cannot be had. */
static void test_crash_while_writing(void **state)
{
	static char first[] = "the first record", second[] = "SECOND RECORD, longer";
	char head[128], path[256];
	struct accel_registry r;
	ssize_t n;
	int fd;

	(void)state;
	join(&r);
	write_text(&r, first);
	path_of('g', path, sizeof(path));
	fd = open(path, O_RDWR | O_CLOEXEC);
	n = pread(fd, head, sizeof(head), 0);
	assert_true(n > 0);
	write_text(&r, second);
	assert_text(&r, second);
	assert_int_equal(pwrite(fd, head, (size_t)n, 0), n); /* as if the last write had not been */
	assert_text(&r, first);
	write_text(&r, second);
	assert_text(&r, second);
	close(fd);
	accel_registry_close(&r);
}

#define N_PROCESSES 4
#define N_ROUNDS    250

/* Adds one to the number in the record, many times. */
static void add_many(void)
{
	struct accel_registry r;
	struct accel_registry_head head;
	char *text, number[32];

	join(&r);
	for (int i = 0; i < N_ROUNDS; i++) {
		if (accel_registry_lock(&r, NULL) < 0 ||
		    accel_registry_read(&r, &head, &text, NULL) < 0)
			_exit(1);
		snprintf(number, sizeof(number), "%ld", strtol(text, NULL, 10) + 1);
		free(text);
		if (accel_registry_write(&r, &plain, number, NULL) < 0)
			_exit(1);
		accel_registry_unlock(&r);
	}
	_exit(0);
}

/* Between lock and unlock no other process comes. */
static void test_lock_excludes(void **state)
{
	struct accel_registry r;
	int status;

	(void)state;
	join(&r);
	write_text(&r, "0");
	for (int i = 0; i < N_PROCESSES; i++)
		if (fork() == 0)
			add_many();
	for (int i = 0; i < N_PROCESSES; i++) {
		assert_true(wait(&status) > 0);
		assert_int_equal(status, 0);
	}
	assert_text(&r, "1000");
	assert_int_equal(accel_registry_count(&r), 1);
	accel_registry_close(&r);
}

/* While one has the lock, another waits: here until its alarm ends it. */
static void test_lock_makes_wait(void **state)
{
	struct accel_registry a, b;
	int status;
	pid_t pid;

	(void)state;
	open_one(&a);
	assert_int_equal(accel_registry_lock(&a, NULL), 0);
	pid = fork();
	if (pid == 0) {
		alarm(1);
		signal(SIGALRM, SIG_DFL);
		open_one(&b);
		accel_registry_lock(&b, NULL);
		_exit(0);
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_true(WIFSIGNALED(status) && WTERMSIG(status) == SIGALRM);
	accel_registry_unlock(&a);
	accel_registry_close(&a);
}

/* When all places are taken the next is refused, with a sentence, and counts none. */
static void test_full(void **state)
{
	struct flock all = {
		.l_type = F_WRLCK, .l_whence = SEEK_SET, .l_len = ACCEL_REGISTRY_MAX_MEMBERS};
	struct accel_registry r, others;
	struct accel_err err;

	(void)state;
	open_one(&r);
	open_one(&others);
	assert_int_equal(fcntl(others.members_fd, F_OFD_SETLK, &all), 0);
	assert_int_equal(accel_registry_join(&r, "", &err), -EUSERS);
	assert_non_null(strstr(err.text, "full (at most 4096 members)"));
	assert_int_equal(r.slot, -1);
	assert_int_equal(accel_registry_count(&r), ACCEL_REGISTRY_MAX_MEMBERS);
	accel_registry_close(&others);
	assert_int_equal(accel_registry_join(&r, "", NULL), 0);
	accel_registry_close(&r);
}

/* ---- folders: tried by another user, whose runtime directory is one of ours ---- */

enum laid {
	LAID_BY_ROOT,
	LAID_OPEN_TO_ALL,
	LAID_A_LINK,
	LAID_A_FILE,
	LAID_NOTHING,
};

static void lay(enum laid what, const char *folder)
{
	int fd;

	switch (what) {
	case LAID_BY_ROOT:
		assert_int_equal(mkdir(folder, 0777), 0);
		break;
	case LAID_OPEN_TO_ALL:
		assert_int_equal(mkdir(folder, 0700), 0);
		assert_int_equal(chown(folder, NOBODY, NOBODY), 0);
		assert_int_equal(chmod(folder, 0777), 0);
		break;
	case LAID_A_LINK:
		assert_int_equal(symlink("/tmp", folder), 0);
		break;
	case LAID_A_FILE:
		fd = open(folder, O_CREAT | O_WRONLY | O_CLOEXEC, 0600);
		assert_true(fd >= 0);
		assert_int_equal(fchown(fd, NOBODY, NOBODY), 0);
		close(fd);
		break;
	case LAID_NOTHING:
		break;
	}
}

/* In a child: open a group as nobody; exit 0 if it was as expected. */
static void open_as_nobody(const char *runtime, bool refused)
{
	struct accel_registry r = ACCEL_REGISTRY_NONE;
	struct accel_err err;
	char words[] = "not a folder that only uid 65534 can write to";
	int e;

	setenv("XDG_RUNTIME_DIR", runtime, 1);
	if (setgid(NOBODY) < 0 || setuid(NOBODY) < 0)
		_exit(100);
	e = accel_registry_open(&r, group, &err);
	if (!refused)
		_exit(e == 0 && accel_registry_join(&r, "", NULL) == 0 ? 0 : 101);
	if (e != -EPERM || r.record_fd != -1)
		_exit(102);
	_exit(strstr(err.text, runtime) && strstr(err.text, words) ? 0 : 103);
}

/* A folder that another user laid there, or could change, is refused; so is what is no folder. */
static void test_folders(void **state)
{
	char runtime[] = "/tmp/accel-test-XXXXXX", folder[64], command[80];
	int status;
	pid_t pid;

	(void)state;
	need_lo();
	assert_non_null(mkdtemp(runtime));
	assert_int_equal(chown(runtime, NOBODY, NOBODY), 0);
	snprintf(folder, sizeof(folder), "%s/pcap-accel", runtime);
	snprintf(command, sizeof(command), "rm -rf %s", folder);
	for (enum laid what = LAID_BY_ROOT; what <= LAID_NOTHING; what++) {
		lay(what, folder);
		pid = fork();
		if (pid == 0)
			open_as_nobody(runtime, what != LAID_NOTHING);
		assert_int_equal(waitpid(pid, &status, 0), pid);
		if (status != 0)
			fail_msg("folder %d: status %#x", what, status);
		assert_int_equal(system(command), 0);
	}
	assert_int_equal(rmdir(runtime), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(test_join_and_leave, next_group),
		cmocka_unit_test_setup(test_other_number, next_group),
		cmocka_unit_test_setup(test_other_namespace, next_group),
		cmocka_unit_test_setup(test_killed, next_group),
		cmocka_unit_test_setup(test_members, next_group),
		cmocka_unit_test_setup(test_strange_members, next_group),
		cmocka_unit_test_setup(test_little_room, next_group),
		cmocka_unit_test_setup(test_killed_with_the_lock, next_group),
		cmocka_unit_test_setup(test_kept, next_group),
		cmocka_unit_test_setup(test_kept_elsewhere, next_group),
		cmocka_unit_test_setup(test_stale_files, next_group),
		cmocka_unit_test_setup(test_files_of_the_living, next_group),
		cmocka_unit_test_setup(test_sweep, next_group),
		cmocka_unit_test_setup(test_removed_meanwhile, next_group),
		cmocka_unit_test_setup(test_list, next_group),
		cmocka_unit_test_setup(test_watch, next_group),
		cmocka_unit_test_setup(test_touch, next_group),
		cmocka_unit_test_setup(test_crash_while_writing, next_group),
		cmocka_unit_test_setup(test_privileges_dropped, next_group),
		cmocka_unit_test_setup(test_record, next_group),
		cmocka_unit_test_setup(test_damaged_record, next_group),
		cmocka_unit_test_setup(test_change_is_told, next_group),
		cmocka_unit_test_setup(test_change_is_told_without_inotify, next_group),
		cmocka_unit_test_setup(test_lock_excludes, next_group),
		cmocka_unit_test_setup(test_lock_makes_wait, next_group),
		cmocka_unit_test_setup(test_full, next_group),
		cmocka_unit_test_setup(test_folders, next_group),
	};

	return cmocka_run_group_tests(tests, enter_namespace, NULL);
}
