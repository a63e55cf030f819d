/* SPDX-License-Identifier: BSD-3-Clause */
/* pkthdr.c - a packet's header as pcapy hands it out.
 *
 * Threads: with the interpreter's lock. */
#include "speedups.h"

struct pkthdr {
	PyObject_HEAD struct pcap_pkthdr hdr;
};

/* The memory of the last one that has gone: most programs drop a header before they take the next. */
static PyObject *spare;

PyObject *pkthdr_new(const struct pcap_pkthdr *h)
{
	PyObject *p = spare;

	if (p) {
		spare = NULL;
		p = PyObject_Init(p, pkthdr_type);
	} else {
		p = (PyObject *)PyObject_New(struct pkthdr, pkthdr_type);
	}
	if (p)
		((struct pkthdr *)p)->hdr = *h;
	return p;
}

static void dealloc(PyObject *self)
{
	PyTypeObject *type = Py_TYPE(self);

	if (spare)
		PyObject_Free(self);
	else
		spare = self;
	Py_DECREF(type);
}

static PyObject *getts(PyObject *self, PyObject *unused)
{
	const struct pcap_pkthdr *h = &((struct pkthdr *)self)->hdr;
	PyObject *pair = PyTuple_New(2);
	PyObject *sec, *usec;

	(void)unused;
	if (!pair)
		return NULL;
	sec = PyLong_FromLong(h->ts.tv_sec);
	usec = PyLong_FromLong(h->ts.tv_usec);
	PyTuple_SetItem(pair, 0, sec);
	PyTuple_SetItem(pair, 1, usec);
	if (sec && usec)
		return pair;
	Py_DECREF(pair);
	return NULL;
}

static PyObject *getcaplen(PyObject *self, PyObject *unused)
{
	(void)unused;
	return PyLong_FromUnsignedLong(((struct pkthdr *)self)->hdr.caplen);
}

static PyObject *getlen(PyObject *self, PyObject *unused)
{
	(void)unused;
	return PyLong_FromUnsignedLong(((struct pkthdr *)self)->hdr.len);
}

static PyMethodDef methods[] = {
	{"getts", getts, METH_NOARGS, "getts() -> (seconds, microseconds)"},
	{"getcaplen", getcaplen, METH_NOARGS, "getcaplen() -> bytes captured"},
	{"getlen", getlen, METH_NOARGS, "getlen() -> bytes on the wire"},
	{0},
};

static PyType_Slot slots[] = {
	{Py_tp_dealloc, dealloc},
	{Py_tp_methods, methods},
	{Py_tp_doc, "A packet's header: its time and its lengths."},
	{0},
};

PyType_Spec pkthdr_spec = {
	.name = "pypcapaccel.Pkthdr",
	.basicsize = sizeof(struct pkthdr),
	.flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_DISALLOW_INSTANTIATION,
	.slots = slots,
};
