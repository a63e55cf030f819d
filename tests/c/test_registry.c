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

#define NOBODY 65534

static unsigned group; /* each test's own */

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

static void join(struct accel_registry *r)
{
	open_one(r);
	assert_int_equal(accel_registry_lock(r, NULL), 0);
	assert_int_equal(accel_registry_join(r, NULL), 0);
	accel_registry_unlock(r);
}

static void write_text(struct accel_registry *r, const char *text)
{
	assert_int_equal(accel_registry_lock(r, NULL), 0);
	assert_int_equal(accel_registry_write(r, text, NULL), 0);
	accel_registry_unlock(r);
}

static void assert_text(struct accel_registry *r, const char *expected)
{
	char *text;

	assert_int_equal(accel_registry_lock(r, NULL), 0);
	assert_int_equal(accel_registry_read(r, &text, NULL), 0);
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
	assert_int_equal(accel_registry_write(&r, longest, &err), -EFBIG);
	assert_non_null(strstr(err.text, "too large (at most 131072 bytes)"));
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
		"11",
		"11\n",
		"11\nhello worl",
		"11\nhello world!",
		"hello",
		"\nhello",
		"99999999999999999999\nx",
		"x11\nhello world",
		"11 hello world",
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

#define N_PROCESSES 4
#define N_ROUNDS    250

/* Adds one to the number in the record, many times. */
static void add_many(void)
{
	struct accel_registry r;
	char *text, number[32];

	join(&r);
	for (int i = 0; i < N_ROUNDS; i++) {
		if (accel_registry_lock(&r, NULL) < 0 || accel_registry_read(&r, &text, NULL) < 0)
			_exit(1);
		snprintf(number, sizeof(number), "%ld", strtol(text, NULL, 10) + 1);
		free(text);
		if (accel_registry_write(&r, number, NULL) < 0)
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
	assert_int_equal(accel_registry_join(&r, &err), -EUSERS);
	assert_non_null(strstr(err.text, "full (at most 4096 members)"));
	assert_int_equal(r.slot, -1);
	assert_int_equal(accel_registry_count(&r), ACCEL_REGISTRY_MAX_MEMBERS);
	accel_registry_close(&others);
	assert_int_equal(accel_registry_join(&r, NULL), 0);
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
		_exit(e == 0 && accel_registry_join(&r, NULL) == 0 ? 0 : 101);
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
		cmocka_unit_test_setup(test_killed_with_the_lock, next_group),
		cmocka_unit_test_setup(test_privileges_dropped, next_group),
		cmocka_unit_test_setup(test_record, next_group),
		cmocka_unit_test_setup(test_damaged_record, next_group),
		cmocka_unit_test_setup(test_change_is_told, next_group),
		cmocka_unit_test_setup(test_lock_excludes, next_group),
		cmocka_unit_test_setup(test_lock_makes_wait, next_group),
		cmocka_unit_test_setup(test_full, next_group),
		cmocka_unit_test_setup(test_folders, next_group),
	};

	return cmocka_run_group_tests(tests, enter_namespace, NULL);
}
