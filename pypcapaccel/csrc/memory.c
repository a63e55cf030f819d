/* SPDX-License-Identifier: BSD-3-Clause */
/* memory.c - Memory: bytes that live as long as anybody looks at them, our own or a ring's.
 *
 * A view of it (memoryview, NumPy) holds a reference to the Memory, whose bytes are used for another
 * batch, or given back to the ring, only when the last one has gone: no view can dangle, whatever
 * the ring does and whether the capture is closed or not.
 *
 * Threads: with the interpreter's lock. */
#include "speedups.h"

#include <stdlib.h>

#define N_KEPT 8 /* pieces of memory whose object has gone, to be used again */

static struct {
	uint8_t *bytes;
	size_t capacity;
} kept[N_KEPT];

static struct memory *lent; /* list of those with a loan */

static uint8_t *take_bytes(size_t capacity)
{
	uint8_t *bytes;

	for (int i = 0; i < N_KEPT; i++)
		if (kept[i].bytes && kept[i].capacity == capacity) {
			bytes = kept[i].bytes;
			kept[i].bytes = NULL;
			return bytes;
		}
	return malloc(capacity);
}

static void keep_bytes(uint8_t *bytes, size_t capacity)
{
	static unsigned turn;

	for (int i = 0; i < N_KEPT; i++)
		if (!kept[i].bytes) {
			kept[i].bytes = bytes;
			kept[i].capacity = capacity;
			return;
		}
	/* The next readers' capacities may be others: each place has its turn. */
	free(kept[turn].bytes);
	kept[turn].bytes = bytes;
	kept[turn].capacity = capacity;
	turn = (turn + 1) % N_KEPT;
}

struct memory *memory_new(size_t capacity)
{
	struct memory *m = PyObject_New(struct memory, memory_type);

	if (!m)
		return NULL;
	m->len = 0;
	m->loan = NULL;
	m->capacity = capacity;
	m->bytes = take_bytes(capacity);
	if (m->bytes)
		return m;
	Py_DECREF((PyObject *)m);
	PyErr_NoMemory();
	return NULL;
}

void memory_lend(struct memory *m, const struct pcap_accel_borrowed *batch)
{
	keep_bytes(m->bytes, m->capacity);
	m->bytes = (uint8_t *)batch->data; /* shown to be read only */
	m->loan = batch->loan;
	m->next = lent;
	m->before = &lent;
	if (lent)
		lent->before = &m->next;
	lent = m;
}

static void dealloc(PyObject *self)
{
	struct memory *m = (struct memory *)self;
	PyTypeObject *type = Py_TYPE(self);

	if (m->loan) {
		*m->before = m->next;
		if (m->next)
			m->next->before = m->before;
		calls.pcap_accel_give_back_batch(m->loan);
	} else if (m->bytes) {
		keep_bytes(m->bytes, m->capacity);
	}
	PyObject_Free(self);
	Py_DECREF(type);
}

static int get_buffer(PyObject *self, Py_buffer *view, int flags)
{
	struct memory *m = (struct memory *)self;

	return PyBuffer_FillInfo(view, self, m->bytes, m->len, 1, flags);
}

/* keep_lent(): before a fork. A child has no part in a ring, and where there is no memory its views
 * may change. */
PyObject *keep_lent(PyObject *module, PyObject *unused)
{
	(void)module;
	(void)unused;
	for (struct memory *m = lent; m; m = m->next)
		calls.pcap_accel_keep_batch(m->loan);
	Py_RETURN_NONE;
}

static PyType_Slot slots[] = {
	{Py_tp_dealloc, dealloc},
	{Py_bf_getbuffer, get_buffer},
	{0},
};

PyType_Spec memory_spec = {
	.name = "pypcapaccel._speedups.Memory",
	.basicsize = sizeof(struct memory),
	.flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_DISALLOW_INSTANTIATION,
	.slots = slots,
};
