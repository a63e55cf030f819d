/* SPDX-License-Identifier: BSD-3-Clause */
/* read.c - packets as (Pkthdr, bytes): next, loop, dispatch.
 *
 * Nothing is read ahead: each object is made when its packet is handed out, so a filter that is set
 * between two calls holds for the very next packet.
 *
 * Threads: with the interpreter's lock; a slow savefile's handler takes it. */
#include "speedups.h"

struct call {
	struct reading reading; /* first */
	PyObject *callback;
};

static void call_python(unsigned char *user, const struct pcap_pkthdr *hdr,
			const unsigned char *data)
{
	struct call *c = (struct call *)user;
	struct source *s = c->reading.source;
	PyObject *h, *bytes, *result = NULL;

	source_lock(s, &c->reading);
	c->reading.n++;
	h = pkthdr_new(hdr);
	bytes = h ? PyBytes_FromStringAndSize((const char *)data, hdr->caplen) : NULL;
	if (bytes)
		result = PyObject_CallFunctionObjArgs(c->callback, h, bytes, NULL);
	Py_XDECREF(bytes);
	Py_XDECREF(h);
	if (result) {
		Py_DECREF(result);
	} else {
		c->reading.failed = true;
		source_stop(s);
	}
	source_unlock(s, &c->reading);
}

/* loop and dispatch. -1 with an exception, or 0 with *n. */
static int run(PyObject *self, PyObject *args, enum extent extent, uint64_t *n)
{
	struct source *s = (struct source *)self;
	struct call c = {.reading = {.source = s}};
	int cnt, r;

	if (!PyArg_ParseTuple(args, extent == ONCE ? "iO:dispatch" : "iO:loop", &cnt, &c.callback))
		return -1;
	if (!PyCallable_Check(c.callback)) {
		PyErr_Format(PyExc_TypeError, "callback: %R is not callable", c.callback);
		return -1;
	}
	if (source_begin(s) < 0)
		return -1;
	r = source_run(s, cnt, extent, call_python, &c.reading);
	source_end(s);
	*n = c.reading.n;
	return r;
}

PyObject *source_loop(PyObject *self, PyObject *args)
{
	uint64_t n;

	return run(self, args, FOREVER, &n) < 0 ? NULL : Py_NewRef(Py_None);
}

PyObject *source_dispatch(PyObject *self, PyObject *args)
{
	uint64_t n;

	return run(self, args, ONCE, &n) < 0 ? NULL : PyLong_FromUnsignedLongLong(n);
}

static PyObject *pair_of(PyObject *h, PyObject *bytes)
{
	PyObject *pair = h && bytes ? PyTuple_New(2) : NULL;

	if (pair) {
		PyTuple_SetItem(pair, 0, h);
		PyTuple_SetItem(pair, 1, bytes);
		return pair;
	}
	Py_XDECREF(h);
	Py_XDECREF(bytes);
	return NULL;
}

/* One packet to *pair; the result is next_ex's. */
static int take_one(struct source *s, PyObject **pair)
{
	struct reading r = {.source = s};
	struct pcap_pkthdr *hdr;
	const unsigned char *data;
	int status;

	source_enter(s, &r);
	status = calls.pcap_next_ex(s->pcap, &hdr, &data);
	source_leave(s, &r, status);
	if (status == 1)
		*pair = pair_of(pkthdr_new(hdr),
				PyBytes_FromStringAndSize((const char *)data, hdr->caplen));
	return status;
}

static PyObject *wait_for_one(struct source *s)
{
	int64_t deadline = 0;
	PyObject *pair = NULL;
	int status;

	while (!source_is_over(s)) {
		status = take_one(s, &pair);
		if (status == 1)
			return pair;
		if (status < 0 && status != READ_BREAK)
			return source_error(s, status);
		/* A savefile's end is READ_BREAK, as a break is. */
		if (s->fd < 0) {
			source_is_over(s);
			break;
		}
		if (status == READ_BREAK)
			continue;
		if (deadline == 0) /* nothing was there: now the wait begins */
			deadline = source_read_timeout(s);
		status = s->nonblock ? 0 : source_wait(s, deadline);
		if (status < 0)
			return NULL;
		if (status == 0)
			break;
	}
	return pair_of(Py_NewRef(Py_None), PyBytes_FromStringAndSize("", 0));
}

PyObject *source_next(PyObject *self, PyObject *unused)
{
	struct source *s = (struct source *)self;
	PyObject *pair;

	(void)unused;
	if (source_begin(s) < 0)
		return NULL;
	pair = wait_for_one(s);
	source_end(s);
	return pair;
}
