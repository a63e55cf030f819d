/* SPDX-License-Identifier: BSD-3-Clause */
/* batch.c - many packets a call, in a Block: a Memory of headers and one of packets.
 *
 * Threads: with the interpreter's lock. */
#include "speedups.h"

#include <structmember.h>

#define BATCH_BYTES (256 * 1024) /* of packets, more or less: what a processor's cache holds */
#define LONGEST	    262144	 /* of a packet, where the handle does not say; libpcap's limit */

struct block {
	PyObject_HEAD Py_ssize_t n_records;
	struct memory *headers, *data;
};

static struct block *new_block(size_t max_records, size_t max_data)
{
	struct block *b = PyObject_New(struct block, block_type);

	if (!b)
		return NULL;
	b->n_records = 0;
	b->data = NULL;
	b->headers = memory_new(max_records * sizeof(struct pcap_accel_record));
	b->data = b->headers ? memory_new(max_data) : NULL;
	if (b->data)
		return b;
	Py_DECREF((PyObject *)b);
	return NULL;
}

static void dealloc(PyObject *self)
{
	struct block *b = (struct block *)self;
	PyTypeObject *type = Py_TYPE(self);

	Py_XDECREF((PyObject *)b->headers);
	Py_XDECREF((PyObject *)b->data);
	PyObject_Free(self);
	Py_DECREF(type);
}

/* ---- reading ---- */

typedef int fill_fn(struct source *s, struct block *b);

static void filled(struct block *b, uint64_t n_records, uint64_t data_len)
{
	b->n_records = (Py_ssize_t)n_records;
	b->headers->len = b->n_records * (Py_ssize_t)sizeof(struct pcap_accel_record);
	b->data->len = (Py_ssize_t)data_len;
}

static int copy_packets(struct source *s, struct block *b)
{
	struct pcap_accel_batch batch = {
		.size = sizeof(batch),
		.records = (struct pcap_accel_record *)b->headers->bytes,
		.max_records = b->headers->capacity / sizeof(struct pcap_accel_record),
		.data = b->data->bytes,
		.max_data = b->data->capacity,
	};
	struct reading r = {.source = s};
	int status;

	source_enter(s, &r);
	status = calls.pcap_accel_read_batch(s->pcap, &batch);
	source_leave(s, &r, status);
	filled(b, batch.n_records, batch.data_len);
	return status;
}

static int borrow_packets(struct source *s, struct block *b)
{
	struct pcap_accel_borrowed batch = {
		.size = sizeof(batch),
		.records = (struct pcap_accel_record *)b->headers->bytes,
		.max_records = b->headers->capacity / sizeof(struct pcap_accel_record),
		.memory = b->data->bytes,
		.memory_len = b->data->capacity,
	};
	struct reading r = {.source = s};
	int status;

	source_enter(s, &r);
	status = calls.pcap_accel_borrow_batch(s->pcap, &batch);
	source_leave(s, &r, status);
	filled(b, batch.n_records, batch.data_len);
	if (batch.loan)
		memory_lend(b->data, &batch);
	return status;
}

/* 1: the Block has packets; 0: none came; -1 with an exception. */
static int fill_or_wait(struct source *s, struct block *b, fill_fn *fill, int timeout_ms)
{
	int64_t deadline = source_deadline(timeout_ms);
	int status = s->failed_late;

	s->failed_late = 0;
	while (!status && !source_is_over(s)) {
		status = fill(s, b);
		if (b->n_records > 0) {
			/* What comes behind packets is the next call's. */
			s->failed_late = status < 0 && status != READ_BREAK ? status : 0;
			return 1;
		}
		if (status == READ_BREAK) {
			status = 0; /* source_is_over() knows whether it was meant */
		} else if (status == 0) {
			if (s->fd < 0 || timeout_ms == 0)
				return 0;
			status = source_wait(s, deadline);
			if (status <= 0)
				return status;
			status = 0;
		}
	}
	if (status)
		source_error(s, status);
	return status ? -1 : 0;
}

static PyObject *read_block(PyObject *self, PyObject *args, fill_fn *fill)
{
	struct source *s = (struct source *)self;
	int max_records, timeout_ms, snapshot, r;
	struct block *b;

	if (!PyArg_ParseTuple(args, "ii", &max_records, &timeout_ms))
		return NULL;
	if (max_records < 1)
		return PyErr_Format(PyExc_ValueError, "max_packets: %d is less than 1",
				    max_records);
	if (source_begin(s) < 0)
		return NULL;
	snapshot = calls.pcap_snapshot(s->pcap);
	b = new_block((size_t)max_records,
		      BATCH_BYTES + (size_t)(snapshot > LONGEST ? snapshot : LONGEST));
	r = b ? fill_or_wait(s, b, fill, timeout_ms) : -1;
	source_end(s);
	if (r > 0)
		return (PyObject *)b;
	Py_XDECREF((PyObject *)b);
	return r < 0 ? NULL : Py_NewRef(Py_None);
}

/* read(max_records, timeout_ms) -> Block, or None. timeout_ms < 0: for ever; 0: not at all. The
 * packets lie one behind the other. */
PyObject *source_read(PyObject *self, PyObject *args)
{
	return read_block(self, args, copy_packets);
}

/* The same, where it can be in the ring's own memory: the packets lie at their offsets. */
PyObject *source_borrow(PyObject *self, PyObject *args)
{
	return read_block(self, args, borrow_packets);
}

/* ---- what is made of a Block ---- */

static struct block *parse_block(PyObject *args, const char *format, unsigned long long *more)
{
	PyObject *object;

	if (!PyArg_ParseTuple(args, format, &object, more))
		return NULL;
	if (Py_TYPE(object) == block_type)
		return (struct block *)object;
	PyErr_SetString(PyExc_TypeError, "not a Block");
	return NULL;
}

static PyObject *stamped(const struct pcap_accel_record *r, const uint8_t *data)
{
	PyObject *pair = PyTuple_New(2);
	PyObject *ts, *bytes;

	if (!pair)
		return NULL;
	ts = PyLong_FromUnsignedLongLong(r->ts_ns);
	bytes = PyBytes_FromStringAndSize((const char *)data + r->offset, r->caplen);
	PyTuple_SetItem(pair, 0, ts);
	PyTuple_SetItem(pair, 1, bytes);
	if (ts && bytes)
		return pair;
	Py_DECREF(pair);
	return NULL;
}

/* block_tolist(block) -> [(ts_ns, bytes), ...] */
PyObject *block_tolist(PyObject *module, PyObject *args)
{
	struct block *b = parse_block(args, "O:block_tolist", NULL);
	const struct pcap_accel_record *records;
	PyObject *list, *pair;

	(void)module;
	list = b ? PyList_New(b->n_records) : NULL;
	if (!list)
		return NULL;
	records = (const struct pcap_accel_record *)b->headers->bytes;
	for (Py_ssize_t i = 0; i < b->n_records; i++) {
		pair = stamped(&records[i], b->data->bytes);
		if (!pair || PyList_SetItem(list, i, pair) < 0) {
			Py_DECREF(list);
			return NULL;
		}
	}
	return list;
}

/* block_meta(block, base) -> bytes: pcapy's records (sec, usec, offset, caplen) of 32 bits each. */
PyObject *block_meta(PyObject *module, PyObject *args)
{
	unsigned long long base;
	struct block *b = parse_block(args, "OK:block_meta", &base);
	const struct pcap_accel_record *r;
	PyObject *bytes;
	uint32_t *out;

	(void)module;
	bytes = b ? PyBytes_FromStringAndSize(NULL, b->n_records * 16) : NULL;
	if (!bytes)
		return NULL;
	out = (uint32_t *)PyBytes_AsString(bytes);
	r = (const struct pcap_accel_record *)b->headers->bytes;
	for (Py_ssize_t i = 0; i < b->n_records; i++, r++, out += 4) {
		out[0] = (uint32_t)(r->ts_ns / 1000000000u);
		out[1] = (uint32_t)(r->ts_ns % 1000000000u / 1000);
		out[2] = (uint32_t)(base + r->offset);
		out[3] = r->caplen;
	}
	return bytes;
}

static PyMemberDef members[] = {
	{"n_records", T_PYSSIZET, offsetof(struct block, n_records), READONLY, NULL},
	{"headers", T_OBJECT_EX, offsetof(struct block, headers), READONLY, NULL},
	{"data", T_OBJECT_EX, offsetof(struct block, data), READONLY, NULL},
	{0},
};

static PyType_Slot slots[] = {
	{Py_tp_dealloc, dealloc},
	{Py_tp_members, members},
	{0},
};

PyType_Spec block_spec = {
	.name = "pypcapaccel._speedups.Block",
	.basicsize = sizeof(struct block),
	.flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_DISALLOW_INSTANTIATION,
	.slots = slots,
};
