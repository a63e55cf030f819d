/* SPDX-License-Identifier: BSD-3-Clause */
/* source.c - a handle and who is inside it: opening, waiting, breaking off, closing.
 *
 * A handle that is waited for here is in non-blocking mode: what blocks is poll(2), with the lock
 * dropped, where signals and wake() end it. close() inside a callback or beside another thread's
 * read ends that read and closes behind it.
 *
 * Threads: with the interpreter's lock; any number of threads may call, one of them may read. */
#include "speedups.h"

#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <structmember.h>
#include <sys/eventfd.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#define NS_PER_MS  INT64_C(1000000)
#define BREATHE_NS (5 * NS_PER_MS) /* sys.getswitchinterval() */
#define CHUNK	   1024		   /* packets between two looks at signals */
#define BUFFER_LEN (64 * 1024)

static int64_t now_ns(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return ts.tv_sec * INT64_C(1000000000) + ts.tv_nsec;
}

int64_t source_deadline(int timeout_ms)
{
	return timeout_ms > 0 ? now_ns() + timeout_ms * NS_PER_MS : -1;
}

static void wake(struct source *s)
{
	uint64_t one = 1;
	ssize_t unused;

	if (s->wake_fd >= 0) {
		unused = write(s->wake_fd, &one, sizeof(one));
		(void)unused;
	}
}

static void close_now(struct source *s)
{
	if (s->pcap)
		calls.pcap_close(s->pcap);
	if (s->wake_fd >= 0)
		close(s->wake_fd);
	free(s->buffer);
	s->buffer = NULL;
	s->pcap = NULL;
	s->fd = s->wake_fd = -1;
}

static void let_go(struct source *s)
{
	if (--s->n_holds == 0 && s->is_closing)
		close_now(s);
}

static bool is_open(struct source *s)
{
	if (s->pcap && !s->is_closing)
		return true;
	PyErr_SetString(PyExc_ValueError, "pcap is closed");
	return false;
}

int source_begin(struct source *s)
{
	if (!is_open(s))
		return -1;
	if (s->is_reading) {
		PyErr_SetString(
			in_use_error,
			"pcap is being read (by another thread or by the read whose callback "
			"this is; open another one)");
		return -1;
	}
	s->is_reading = 1;
	s->n_holds++;
	return 0;
}

void source_end(struct source *s)
{
	s->is_reading = 0;
	let_go(s);
}

bool source_is_over(struct source *s)
{
	if (s->is_breaking) {
		s->is_breaking = 0;
		return true;
	}
	return s->is_closing;
}

PyObject *source_error(struct source *s, int status)
{
	if (status == READ_NOT_ACTIVATED)
		PyErr_SetString(pcap_error, "This handle hasn't been activated yet");
	else
		PyErr_SetString(pcap_error, calls.pcap_geterr(s->pcap));
	return NULL;
}

void source_unlock(struct source *s, struct reading *r)
{
	if (s->is_slow)
		r->thread = PyEval_SaveThread();
}

void source_lock(struct source *s, struct reading *r)
{
	if (s->is_slow)
		PyEval_RestoreThread(r->thread);
}

int source_wait(struct source *s, int64_t deadline_ns)
{
	struct pollfd fds[2] = {{s->fd, POLLIN, 0}, {s->wake_fd, POLLIN, 0}};
	int64_t left = deadline_ns < 0 ? -1 : deadline_ns - now_ns();
	PyThreadState *thread;
	int slice, r, error;
	uint64_t count;
	ssize_t unused;

	if (deadline_ns >= 0 && left <= 0)
		return 0;
	slice = left < 0 ? -1 : (int)((left + NS_PER_MS - 1) / NS_PER_MS);
	if (s->required_ms > 0 && (slice < 0 || slice > s->required_ms))
		slice = s->required_ms;
	thread = PyEval_SaveThread();
	r = poll(fds, 2, slice);
	error = errno;
	if (fds[1].revents) {
		unused = read(fds[1].fd, &count, sizeof(count));
		(void)unused;
	}
	PyEval_RestoreThread(thread);
	if (r < 0 && error != EINTR) {
		errno = error;
		PyErr_SetFromErrno(PyExc_OSError);
		return -1;
	}
	return PyErr_CheckSignals() < 0 ? -1 : 1;
}

void source_stop(struct source *s)
{
	s->asked_break = 1;
	calls.pcap_breakloop(s->pcap);
}

static void ignore(unsigned char *user, const struct pcap_pkthdr *hdr, const unsigned char *data)
{
	(void)user;
	(void)hdr;
	(void)data;
}

/* A break that was asked for in a handler ends the dispatch at once, but a savefile's then returns
 * its count and keeps the flag for the next call: spend it. */
static void settle_break(struct source *s, int status)
{
	if (s->asked_break && status != READ_BREAK)
		calls.pcap_dispatch(s->pcap, 1, ignore, NULL);
	s->asked_break = 0;
}

void source_enter(struct source *s, struct reading *r)
{
	s->is_inside = 1;
	source_unlock(s, r);
}

void source_leave(struct source *s, struct reading *r, int status)
{
	source_lock(s, r);
	s->is_inside = 0;
	settle_break(s, status);
}

static int dispatch(struct source *s, int cnt, pcap_handler handler, struct reading *r)
{
	int status;

	source_enter(s, r);
	status = calls.pcap_dispatch(s->pcap, cnt, handler, (unsigned char *)r);
	source_leave(s, r, status);
	if (r->failed)
		return -1;
	if (status < 0 && status != READ_BREAK) {
		source_error(s, status);
		return -1;
	}
	return status;
}

/* Other threads get their turn though packets never cease: since *last, unless the chunk that began
 * at *chunk took so long that a callback must have given them theirs. */
static void breathe(int64_t *last, int64_t *chunk)
{
	int64_t now = now_ns();

	if (now - *chunk >= BREATHE_NS / 2) {
		*last = now;
	} else if (now - *last >= BREATHE_NS) {
		PyEval_RestoreThread(PyEval_SaveThread());
		*last = now = now_ns();
	}
	*chunk = now;
}

int64_t source_read_timeout(const struct source *s)
{
	return s->nonblock ? 0 : source_deadline(s->timeout_ms);
}

/* Nothing was there. 1: look again; 0: that is all; -1 with an exception. */
static int wait_or_end(struct source *s, enum extent extent, int64_t deadline)
{
	if (s->fd < 0 || (extent == ONCE && s->nonblock))
		return 0;
	return source_wait(s, extent == ONCE ? deadline : -1);
}

int source_run(struct source *s, int cnt, enum extent extent, pcap_handler handler,
	       struct reading *r)
{
	int64_t deadline = extent == ONCE ? source_read_timeout(s) : -1;
	int64_t last_breath = now_ns(), chunk = last_breath;
	int want, status;

	while (!source_is_over(s)) {
		want = cnt > 0 ? (int)(cnt - r->n) : -1;
		if (extent == FOREVER && (want < 0 || want > CHUNK))
			want = CHUNK;
		status = dispatch(s, want, handler, r);
		if (status == -1 || PyErr_CheckSignals() < 0)
			return -1;
		if ((cnt > 0 && r->n >= (uint64_t)cnt) || (extent == ONCE && r->n > 0))
			return 0;
		if (status == 0) {
			status = wait_or_end(s, extent, deadline);
			if (status <= 0)
				return status;
		} else {
			breathe(&last_breath, &chunk);
		}
	}
	return 0;
}

/* ---- the type ---- */

static int can_seek(FILE *file)
{
	struct stat status;

	return fstat(fileno(file), &status) == 0 && S_ISREG(status.st_mode) &&
	       lseek(fileno(file), 0, SEEK_CUR) >= 0;
}

/* A savefile is read in larger pieces than stdio's 4 KiB: a twelfth of the time a packet. Its header
 * has been read by now; glibc allows that, and seeks back to its end (_IO_new_file_setbuf() in
 * libio/fileops.c, 2.36): where it cannot, what it holds would be lost. Standard input is nobody's to
 * change: it outlives the handle. Where there is no memory the stream stays as it is. */
static void widen_buffer(struct source *s)
{
	FILE *file = s->is_slow ? NULL : calls.pcap_file(s->pcap);

	if (!file || file == stdin || !can_seek(file))
		return;
	s->buffer = malloc(BUFFER_LEN);
	if (s->buffer && setvbuf(file, s->buffer, _IOFBF, BUFFER_LEN) != 0) {
		free(s->buffer);
		s->buffer = NULL;
	}
}

/* attach(address, is_slow): take a handle over. */
static PyObject *attach(PyObject *self, PyObject *args)
{
	struct source *s = (struct source *)self;
	unsigned long long address;
	int is_slow;

	if (!PyArg_ParseTuple(args, "Kp:attach", &address, &is_slow))
		return NULL;
	if (s->pcap)
		return PyErr_Format(PyExc_RuntimeError, "source: has a handle already");
	s->pcap = (struct pcap *)(uintptr_t)address;
	s->is_slow = (char)is_slow;
	s->fd = s->wake_fd = -1;
	widen_buffer(s);
	Py_RETURN_NONE;
}

/* start(timeout_ms): it is an active capture, in non-blocking mode. */
static PyObject *start(PyObject *self, PyObject *args)
{
	struct source *s = (struct source *)self;
	const struct timeval *required;
	int timeout_ms;

	if (!PyArg_ParseTuple(args, "i:start", &timeout_ms) || !is_open(s))
		return NULL;
	s->timeout_ms = timeout_ms;
	s->fd = calls.pcap_get_selectable_fd(s->pcap);
	required = calls.pcap_get_required_select_timeout(s->pcap);
	s->required_ms = required ? (int)(required->tv_sec * 1000 + required->tv_usec / 1000) : 0;
	if (required && s->required_ms == 0)
		s->required_ms = 1;
	if (s->wake_fd < 0)
		s->wake_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	return s->wake_fd < 0 ? PyErr_SetFromErrno(PyExc_OSError) : Py_NewRef(Py_None);
}

static PyObject *breakloop(PyObject *self, PyObject *unused)
{
	struct source *s = (struct source *)self;

	(void)unused;
	if (!is_open(s))
		return NULL;
	s->is_breaking = 1;
	if (s->is_inside)
		source_stop(s);
	wake(s);
	Py_RETURN_NONE;
}

static PyObject *close_source(PyObject *self, PyObject *unused)
{
	struct source *s = (struct source *)self;

	(void)unused;
	s->is_closing = 1;
	if (s->n_holds == 0) {
		close_now(s);
	} else {
		if (s->is_inside)
			source_stop(s);
		wake(s);
	}
	Py_RETURN_NONE;
}

/* hold() -> the bare handle's address, safe from close() until drop(). */
static PyObject *hold(PyObject *self, PyObject *unused)
{
	struct source *s = (struct source *)self;

	(void)unused;
	if (!is_open(s))
		return NULL;
	s->n_holds++;
	return PyLong_FromVoidPtr(s->pcap);
}

static PyObject *drop(PyObject *self, PyObject *unused)
{
	(void)unused;
	let_go((struct source *)self);
	Py_RETURN_NONE;
}

static PyObject *get_closed(PyObject *self, void *unused)
{
	struct source *s = (struct source *)self;

	(void)unused;
	return PyBool_FromLong(!s->pcap || s->is_closing);
}

static PyObject *get_counts(PyObject *self, void *unused)
{
	struct source *s = (struct source *)self;
	PyObject *tuple = PyTuple_New(8);

	(void)unused;
	for (Py_ssize_t i = 0; tuple && i < 8; i++)
		PyTuple_SetItem(tuple, i, PyLong_FromUnsignedLongLong(s->counts[i]));
	return tuple;
}

static void dealloc(PyObject *self)
{
	PyTypeObject *type = Py_TYPE(self);

	close_now((struct source *)self);
	((freefunc)PyType_GetSlot(type, Py_tp_free))(self);
	Py_DECREF(type);
}

static PyMethodDef methods[] = {
	{"attach", attach, METH_VARARGS, NULL},
	{"start", start, METH_VARARGS, NULL},
	{"breakloop", breakloop, METH_NOARGS,
	 "breakloop(): end the read that runs, or the next. From any thread."},
	{"close", close_source, METH_NOARGS,
	 "close(): in a callback, or while another thread reads, that read ends and closes it."},
	{"hold", hold, METH_NOARGS, NULL},
	{"drop", drop, METH_NOARGS, NULL},
	{"next", source_next, METH_NOARGS, "next() -> (Pkthdr, bytes); (None, b'') for no packet"},
	{"loop", source_loop, METH_VARARGS,
	 "loop(cnt, callback): callback(Pkthdr, bytes) for cnt packets; -1 or 0 for all"},
	{"dispatch", source_dispatch, METH_VARARGS,
	 "dispatch(cnt, callback) -> packets: as loop(), until the timeout"},
	{"read", source_read, METH_VARARGS, NULL},
	{"borrow", source_borrow, METH_VARARGS, NULL},
	{"filter_to", source_filter_to, METH_VARARGS, NULL},
	{"filter_into", source_filter_into, METH_VARARGS, NULL},
	{0},
};

static PyMemberDef members[] = {
	{"fd", T_INT, offsetof(struct source, fd), READONLY, NULL},
	{"required_ms", T_INT, offsetof(struct source, required_ms), READONLY, NULL},
	{"timeout_ms", T_INT, offsetof(struct source, timeout_ms), 0, NULL},
	{"failed_late", T_INT, offsetof(struct source, failed_late), READONLY, NULL},
	{"nonblock", T_BOOL, offsetof(struct source, nonblock), 0, NULL},
	{"profile", T_INT, offsetof(struct source, profile), READONLY, NULL},
	{0},
};

static PyGetSetDef getset[] = {
	{"closed", get_closed, NULL, NULL, NULL},
	{"counts", get_counts, NULL, NULL, NULL},
	{0},
};

static PyType_Slot slots[] = {
	{Py_tp_dealloc, dealloc},
	{Py_tp_methods, methods},
	{Py_tp_members, members},
	{Py_tp_getset, getset},
	{0},
};

PyType_Spec source_spec = {
	.name = "pypcapaccel._speedups.Source",
	.basicsize = sizeof(struct source),
	.flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_BASETYPE,
	.slots = slots,
};
