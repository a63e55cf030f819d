/* SPDX-License-Identifier: BSD-3-Clause */
/* batch.c - many packets a call, in a Block: memory that lives as long as anybody looks at it.
 *
 * A view of a Block (memoryview, NumPy) holds a reference to it, and its memory is used for another
 * batch only when the last one has gone: no view can dangle, whatever the ring does and whether the
 * capture is closed or not.
 *
 * Threads: with the interpreter's lock. */
#include "speedups.h"

#include <stdlib.h>
#include <structmember.h>

#define BATCH_BYTES (256 * 1024) /* of packets, more or less: what a processor's cache holds */
#define LONGEST	    262144	 /* of a packet, where the handle does not say; libpcap's limit */
#define N_KEPT	    4		 /* Blocks' memory that waits to be used again */

struct block {
	PyObject_HEAD uint8_t *memory; /* records, then packets */
	size_t capacity;
	Py_ssize_t n_records, data_at, data_len;
};

/* Memory of Blocks that have gone. With the interpreter's lock. */
static struct {
	uint8_t *memory;
	size_t capacity;
} kept[N_KEPT];

static uint8_t *take_memory(size_t capacity)
{
	uint8_t *memory;

	for (int i = 0; i < N_KEPT; i++)
		if (kept[i].memory && kept[i].capacity == capacity) {
			memory = kept[i].memory;
			kept[i].memory = NULL;
			return memory;
		}
	return malloc(capacity);
}

static void keep_memory(uint8_t *memory, size_t capacity)
{
	for (int i = 0; i < N_KEPT; i++)
		if (!kept[i].memory) {
			kept[i].memory = memory;
			kept[i].capacity = capacity;
			return;
		}
	free(kept[0].memory); /* the next reader's capacity may be another */
	kept[0].memory = memory;
	kept[0].capacity = capacity;
}

static struct block *new_block(size_t capacity)
{
	struct block *b = PyObject_New(struct block, block_type);

	if (!b)
		return NULL;
	b->n_records = b->data_at = b->data_len = 0;
	b->capacity = capacity;
	b->memory = take_memory(capacity);
	if (b->memory)
		return b;
	Py_DECREF((PyObject *)b);
	PyErr_NoMemory();
	return NULL;
}

static void dealloc(PyObject *self)
{
	struct block *b = (struct block *)self;
	PyTypeObject *type = Py_TYPE(self);

	if (b->memory)
		keep_memory(b->memory, b->capacity);
	PyObject_Free(self);
	Py_DECREF(type);
}

static int get_buffer(PyObject *self, Py_buffer *view, int flags)
{
	struct block *b = (struct block *)self;

	return PyBuffer_FillInfo(view, self, b->memory, b->data_at + b->data_len, 1, flags);
}

/* ---- reading ---- */

static int fill(struct source *s, struct block *b, uint64_t max_records)
{
	struct pcap_accel_batch batch = {
		.size = sizeof(batch),
		.records = (struct pcap_accel_record *)b->memory,
		.max_records = max_records,
		.data = b->memory + max_records * sizeof(struct pcap_accel_record),
	};
	struct reading r = {.source = s};
	int status;

	batch.max_data = b->capacity - (size_t)(batch.data - b->memory);
	source_enter(s, &r);
	status = calls.pcap_accel_read_batch(s->pcap, &batch);
	source_leave(s, &r, status);
	b->data_at = batch.data - b->memory;
	b->data_len = (Py_ssize_t)batch.data_len;
	b->n_records = (Py_ssize_t)batch.n_records;
	return status;
}

/* 1: the Block has packets; 0: none came; -1 with an exception. */
static int fill_or_wait(struct source *s, struct block *b, uint64_t max_records, int timeout_ms)
{
	int64_t deadline = source_deadline(timeout_ms);
	int status = s->failed_late;

	s->failed_late = 0;
	while (!status && !source_is_over(s)) {
		status = fill(s, b, max_records);
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

static size_t capacity_for(struct source *s, uint64_t max_records)
{
	int snapshot = calls.pcap_snapshot(s->pcap);

	return max_records * sizeof(struct pcap_accel_record) + BATCH_BYTES +
	       (size_t)(snapshot > LONGEST ? snapshot : LONGEST);
}

/* read(max_records, timeout_ms) -> Block, or None. timeout_ms < 0: for ever; 0: not at all. */
PyObject *source_read(PyObject *self, PyObject *args)
{
	struct source *s = (struct source *)self;
	struct block *b;
	int max_records, timeout_ms, r;

	if (!PyArg_ParseTuple(args, "ii:read", &max_records, &timeout_ms))
		return NULL;
	if (max_records < 1)
		return PyErr_Format(PyExc_ValueError, "max_packets: %d is less than 1",
				    max_records);
	if (source_begin(s) < 0)
		return NULL;
	b = new_block(capacity_for(s, (uint64_t)max_records));
	r = b ? fill_or_wait(s, b, (uint64_t)max_records, timeout_ms) : -1;
	source_end(s);
	if (r > 0)
		return (PyObject *)b;
	Py_XDECREF((PyObject *)b);
	return r < 0 ? NULL : Py_NewRef(Py_None);
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
	records = (const struct pcap_accel_record *)b->memory;
	for (Py_ssize_t i = 0; i < b->n_records; i++) {
		pair = stamped(&records[i], b->memory + b->data_at);
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
	r = (const struct pcap_accel_record *)b->memory;
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
	{"data_at", T_PYSSIZET, offsetof(struct block, data_at), READONLY, NULL},
	{"data_len", T_PYSSIZET, offsetof(struct block, data_len), READONLY, NULL},
	{0},
};

static PyType_Slot slots[] = {
	{Py_tp_dealloc, dealloc},
	{Py_tp_members, members},
	{Py_bf_getbuffer, get_buffer},
	{0},
};

PyType_Spec block_spec = {
	.name = "pypcapaccel._speedups.Block",
	.basicsize = sizeof(struct block),
	.flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_DISALLOW_INSTANTIATION,
	.slots = slots,
};
