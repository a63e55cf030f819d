/* SPDX-License-Identifier: BSD-3-Clause */
/* module.c - the module itself: bind(), and the types. See speedups.h.
 *
 * Threads: with the interpreter's lock. */
#include "speedups.h"

#include <stddef.h>
#include <string.h>

struct calls calls;
PyObject *pcap_error, *in_use_error;
PyTypeObject *pkthdr_type, *memory_type, *block_type, *classifier_type;

static const struct {
	const char *name;
	size_t offset;
} call_table[] = {
#define CALL(name)                                  \
	{                                           \
#name, offsetof(struct calls, name) \
	}
	CALL(pcap_dispatch),
	CALL(pcap_next_ex),
	CALL(pcap_breakloop),
	CALL(pcap_close),
	CALL(pcap_file),
	CALL(pcap_geterr),
	CALL(pcap_get_selectable_fd),
	CALL(pcap_get_required_select_timeout),
	CALL(pcap_snapshot),
	CALL(pcap_accel_read_batch),
	CALL(pcap_accel_borrow_batch),
	CALL(pcap_accel_give_back_batch),
	CALL(pcap_accel_keep_batch),
#undef CALL
};
#define N_CALLS (sizeof(call_table) / sizeof(call_table[0]))

/* bind({name: address}, PcapError, InUseError) */
static PyObject *bind(PyObject *module, PyObject *args)
{
	PyObject *addresses, *error, *in_use, *number;
	void *address;

	(void)module;
	if (!PyArg_ParseTuple(args, "OOO:bind", &addresses, &error, &in_use))
		return NULL;
	for (size_t i = 0; i < N_CALLS; i++) {
		number = PyMapping_GetItemString(addresses, call_table[i].name);
		if (!number)
			return NULL;
		address = PyLong_AsVoidPtr(number);
		Py_DECREF(number);
		if (!address)
			return PyErr_Occurred() ? NULL
						: PyErr_Format(PyExc_ValueError, "%s: address 0",
							       call_table[i].name);
		memcpy((char *)&calls + call_table[i].offset, &address, sizeof(address));
	}
	Py_INCREF(error);
	Py_INCREF(in_use);
	Py_XDECREF(pcap_error);
	Py_XDECREF(in_use_error);
	pcap_error = error;
	in_use_error = in_use;
	Py_RETURN_NONE;
}

/* names(): the functions whose addresses bind() wants. */
static PyObject *names(PyObject *module, PyObject *unused)
{
	PyObject *list = PyList_New(N_CALLS);

	(void)module;
	(void)unused;
	for (size_t i = 0; list && i < N_CALLS; i++)
		PyList_SetItem(list, (Py_ssize_t)i, PyUnicode_FromString(call_table[i].name));
	return list;
}

static PyMethodDef methods[] = {
	{"bind", bind, METH_VARARGS, NULL},
	{"names", names, METH_NOARGS, NULL},
	{"block_tolist", block_tolist, METH_VARARGS, NULL},
	{"block_meta", block_meta, METH_VARARGS, NULL},
	{"keep_lent", keep_lent, METH_NOARGS, NULL},
	{0},
};

static struct PyModuleDef definition = {
	PyModuleDef_HEAD_INIT,
	.m_name = "pypcapaccel._speedups",
	.m_doc = "Python objects of packets, fast. Internal to the package.",
	.m_size = -1,
	.m_methods = methods,
};

static PyTypeObject *add_type(PyObject *module, const char *name, PyType_Spec *spec)
{
	PyObject *type = PyType_FromSpec(spec);

	if (type && PyModule_AddObjectRef(module, name, type) == 0)
		return (PyTypeObject *)type;
	Py_XDECREF(type);
	return NULL;
}

PyMODINIT_FUNC PyInit__speedups(void); /* what import calls */

PyMODINIT_FUNC PyInit__speedups(void)
{
	PyObject *module = PyModule_Create(&definition);
	PyTypeObject *source_type;

	if (!module)
		return NULL;
	pkthdr_type = add_type(module, "Pkthdr", &pkthdr_spec);
	memory_type = add_type(module, "Memory", &memory_spec);
	block_type = add_type(module, "Block", &block_spec);
	classifier_type = add_type(module, "Classifier", &classifier_spec);
	source_type = add_type(module, "Source", &source_spec);
	if (pkthdr_type && memory_type && block_type && classifier_type && source_type) {
		Py_DECREF(source_type); /* the module has it */
		return module;
	}
	Py_DECREF(module);
	return NULL;
}
