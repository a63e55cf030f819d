/* SPDX-License-Identifier: BSD-3-Clause */
/* filtered.c - loop_filtered() and loop_to_buffer(): a class for each packet, and Python objects or
 * bytes in a buffer only for those whose class is admitted.
 *
 * Threads: with the interpreter's lock; handlers of a slow savefile run without it and take it for
 * Python's sake. The counters are read by other threads under the lock. */
#include "classify.h"
#include "speedups.h"

#include <stdlib.h>
#include <string.h>

#define RECORD_HEADER 5 /* 32 bits of length, little-endian, and the class */

struct classifier {
	PyObject_HEAD struct classify c;
};

/* ---- the type ---- */

/* The ports of a sequence to *out, malloc'ed. */
static int read_ports(PyObject *sequence, uint16_t **out, size_t *n_out)
{
	Py_ssize_t n = PySequence_Size(sequence);
	PyObject *item;
	long port;

	if (n < 0)
		return -1;
	*out = calloc((size_t)n + 1, sizeof(**out));
	if (!*out) {
		PyErr_NoMemory();
		return -1;
	}
	*n_out = (size_t)n;
	for (Py_ssize_t i = 0; i < n; i++) {
		item = PySequence_GetItem(sequence, i);
		port = item ? PyLong_AsLong(item) : -1;
		Py_XDECREF(item);
		if (port == -1 && PyErr_Occurred())
			return -1;
		(*out)[i] = (uint16_t)port;
	}
	return 0;
}

/* Classifier(is_security, l2_offset, dns_port, dpi_ports, tls_ports, addresses, flow_cutoff) */
static int init(PyObject *self, PyObject *args, PyObject *kwargs)
{
	struct classify *c = &((struct classifier *)self)->c;
	PyObject *dpi, *tls;
	const char *addresses;
	Py_ssize_t addresses_len;
	int is_security, flow_cutoff;
	bool ok;

	(void)kwargs;
	if (!PyArg_ParseTuple(args, "pIHOOy#i:Classifier", &is_security, &c->l2_offset,
			      &c->dns_port, &dpi, &tls, &addresses, &addresses_len, &flow_cutoff))
		return -1;
	if (c->set.slots || c->table.flows || c->dpi_ports) {
		PyErr_SetString(PyExc_RuntimeError, "classifier: made twice");
		return -1;
	}
	c->is_security = is_security;
	if (read_ports(dpi, &c->dpi_ports, &c->n_dpi) < 0 ||
	    read_ports(tls, &c->tls_ports, &c->n_tls) < 0)
		return -1;
	ok = classify_set_addresses(c, (const uint8_t *)addresses, (size_t)addresses_len / 4) &&
	     classify_set_cutoff(c, flow_cutoff > 0 ? (uint32_t)flow_cutoff : 0);
	if (!ok)
		PyErr_NoMemory();
	return ok ? 0 : -1;
}

static void dealloc(PyObject *self)
{
	PyTypeObject *type = Py_TYPE(self);

	classify_fini(&((struct classifier *)self)->c);
	((freefunc)PyType_GetSlot(type, Py_tp_free))(self);
	Py_DECREF(type);
}

/* classify(bytes) -> class, from 0. For the tests. */
static PyObject *classify(PyObject *self, PyObject *args)
{
	const char *packet;
	Py_ssize_t len;

	if (!PyArg_ParseTuple(args, "y#:classify", &packet, &len))
		return NULL;
	return PyLong_FromUnsignedLong(classify_packet(&((struct classifier *)self)->c,
						       (const uint8_t *)packet, (uint32_t)len));
}

static PyMethodDef methods[] = {
	{"classify", classify, METH_VARARGS, NULL},
	{0},
};

static PyType_Slot slots[] = {
	{Py_tp_init, init},
	{Py_tp_dealloc, dealloc},
	{Py_tp_methods, methods},
	{0},
};

PyType_Spec classifier_spec = {
	.name = "pypcapaccel._speedups.Classifier",
	.basicsize = sizeof(struct classifier),
	.flags = Py_TPFLAGS_DEFAULT,
	.slots = slots,
};

/* ---- reading ---- */

struct filtering {
	struct reading reading; /* first */
	struct classify *c;
	int admit_mask;
	PyObject *callback;  /* or */
	uint8_t *buffer;     /* with */
	size_t used, size;   /* bytes of it */
	uint64_t n_overflow; /* admitted, but no room */
};

/* The public number of a packet's class if it is admitted, else -1. Counts. */
static int admit(struct filtering *f, const struct pcap_pkthdr *hdr, const unsigned char *data)
{
	struct source *s = f->reading.source;
	unsigned class = classify_packet(f->c, data, hdr->caplen);

	f->reading.n++;
	s->counts[2 + class]++;
	if (!(f->admit_mask >> class & 1)) {
		s->counts[1]++;
		return -1;
	}
	return (int)class + (f->c->is_security ? SECURITY_BASE : 0);
}

static void call_python(unsigned char *user, const struct pcap_pkthdr *hdr,
			const unsigned char *data)
{
	struct filtering *f = (struct filtering *)user;
	struct source *s = f->reading.source;
	int class = admit(f, hdr, data);
	PyObject *h, *bytes, *number, *result = NULL;

	if (class < 0)
		return;
	s->counts[0]++;
	source_lock(s, &f->reading);
	h = pkthdr_new(hdr);
	bytes = PyBytes_FromStringAndSize((const char *)data, hdr->caplen);
	number = PyLong_FromLong(class);
	if (h && bytes && number)
		result = PyObject_CallFunctionObjArgs(f->callback, h, bytes, number, NULL);
	Py_XDECREF(h);
	Py_XDECREF(bytes);
	Py_XDECREF(number);
	if (result) {
		Py_DECREF(result);
	} else {
		f->reading.failed = true;
		source_stop(s);
	}
	source_unlock(s, &f->reading);
}

static void write_record(unsigned char *user, const struct pcap_pkthdr *hdr,
			 const unsigned char *data)
{
	struct filtering *f = (struct filtering *)user;
	int class = admit(f, hdr, data);
	uint8_t *out = f->buffer + f->used;

	if (class < 0)
		return;
	if (f->size - f->used < RECORD_HEADER + (size_t)hdr->caplen) {
		f->n_overflow++;
		return;
	}
	for (int i = 0; i < 4; i++)
		out[i] = (uint8_t)(hdr->caplen >> 8 * i);
	out[4] = (uint8_t) class;
	memcpy(out + RECORD_HEADER, data, hdr->caplen);
	f->used += RECORD_HEADER + hdr->caplen;
	f->reading.source->counts[0]++;
}

static int run(struct source *s, int cnt, pcap_handler handler, struct filtering *f)
{
	int r;

	if (source_begin(s) < 0)
		return -1;
	memset(s->counts, 0, sizeof(s->counts));
	s->profile = f->c->is_security;
	r = source_run(s, cnt, FOREVER, handler, &f->reading);
	source_end(s);
	return r;
}

/* filter_to(cnt, callback, classifier, admit_mask): callback(Pkthdr, bytes, class) */
PyObject *source_filter_to(PyObject *self, PyObject *args)
{
	struct filtering f = {.reading = {.source = (struct source *)self}};
	PyObject *classifier;
	int cnt;

	if (!PyArg_ParseTuple(args, "iOO!i:filter_to", &cnt, &f.callback, classifier_type,
			      &classifier, &f.admit_mask))
		return NULL;
	f.c = &((struct classifier *)classifier)->c;
	if (run(f.reading.source, cnt, call_python, &f) < 0)
		return NULL;
	Py_RETURN_NONE;
}

/* filter_into(cnt, buffer, classifier, admit_mask) -> (n_overflow, bytes used) */
PyObject *source_filter_into(PyObject *self, PyObject *args)
{
	struct filtering f = {.reading = {.source = (struct source *)self}};
	PyObject *classifier;
	Py_buffer view;
	int cnt, r;

	if (!PyArg_ParseTuple(args, "iw*O!i:filter_into", &cnt, &view, classifier_type, &classifier,
			      &f.admit_mask))
		return NULL;
	f.c = &((struct classifier *)classifier)->c;
	f.buffer = view.buf;
	f.size = (size_t)view.len;
	r = run(f.reading.source, cnt, write_record, &f);
	PyBuffer_Release(&view);
	return r < 0 ? NULL
		     : Py_BuildValue("(KK)", (unsigned long long)f.n_overflow,
				     (unsigned long long)f.used);
}
