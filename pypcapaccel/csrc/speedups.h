/* SPDX-License-Identifier: BSD-3-Clause */
/* speedups.h - what the files of the optional extension module share.
 *
 * The module makes Python objects of packets. It has twins in plain Python (../_source.py,
 * ../_classify.py) that the tests hold against it and that serve where it was not built. It is
 * linked with nothing: bind() gives it the addresses of the library's functions, so it works with
 * whichever file _lib has opened. Limited API of Python 3.11: one file for all later versions.
 *
 * The interpreter's lock is kept while packets are there and dropped to wait for them: with another
 * thread running, getting it back costs 5 ms.
 *
 * Threads: all with the interpreter's lock, but where a comment says so. */
#ifndef ACCEL_SPEEDUPS_H
#define ACCEL_SPEEDUPS_H

#define Py_LIMITED_API 0x030b0000
#define PY_SSIZE_T_CLEAN
#include <Python.h>

#include "core/pcap_abi.h"

#include <pcap-accel.h>
#include <stdbool.h>

/* The stable ABI's functions, not 3.11's macros, which are compiled into us: they would count
 * references to None down that a later interpreter, to whom it is immortal, has never counted up. */
#undef Py_INCREF
#undef Py_DECREF
#undef Py_XDECREF
#undef Py_NewRef
#define Py_INCREF(object)  Py_IncRef((PyObject *)(object))
#define Py_DECREF(object)  Py_DecRef((PyObject *)(object))
#define Py_XDECREF(object) Py_DecRef((PyObject *)(object))

/* The library's functions, filled by bind(). Written once, before the first Source. */
struct calls {
	int (*pcap_dispatch)(struct pcap *, int, pcap_handler, unsigned char *);
	int (*pcap_next_ex)(struct pcap *, struct pcap_pkthdr **, const unsigned char **);
	void (*pcap_breakloop)(struct pcap *);
	void (*pcap_close)(struct pcap *);
	FILE *(*pcap_file)(struct pcap *);
	char *(*pcap_geterr)(struct pcap *);
	int (*pcap_get_selectable_fd)(struct pcap *);
	const struct timeval *(*pcap_get_required_select_timeout)(struct pcap *);
	int (*pcap_snapshot)(struct pcap *);
	int (*pcap_accel_read_batch)(struct pcap *, struct pcap_accel_batch *);
	int (*pcap_accel_borrow_batch)(struct pcap *, struct pcap_accel_borrowed *);
	void (*pcap_accel_give_back_batch)(struct pcap_accel_loan *);
	int (*pcap_accel_keep_batch)(struct pcap_accel_loan *);
};
extern struct calls calls;
extern PyObject *pcap_error, *in_use_error; /* exception classes, of bind() too */
extern PyTypeObject *pkthdr_type, *memory_type, *block_type, *classifier_type;

enum { READ_ERROR = -1, READ_BREAK = -2, READ_NOT_ACTIVATED = -3 }; /* of the library's reads */

struct source {
	PyObject_HEAD struct pcap *pcap; /* NULL: closed, or never attached */
	int fd;				 /* readable when packets may be there; -1: a savefile */
	int wake_fd;			 /* eventfd that ends a sleep; -1: a savefile */
	int timeout_ms;			 /* of blocking reads; <= 0: none */
	int required_ms;    /* look again after so long though fd is not readable; 0: no need */
	char nonblock;	    /* reads do not wait */
	char is_slow;	    /* a savefile that may block (a pipe): read without the lock */
	char is_reading;    /* a thread is in a read; it may be in its callback */
	char is_breaking;   /* the read that runs, or the next, is to end */
	char is_closing;    /* close() was called while somebody was inside */
	char is_inside;	    /* that read is in a call of the library, it does not sleep in poll() */
	char asked_break;   /* pcap_breakloop() was called and its flag not yet seen spent */
	int n_holds;	    /* users of the bare handle: hold(), and a read */
	int failed_late;    /* an error that came behind packets: the next read's */
	uint64_t counts[8]; /* of loop_filtered: admitted, dropped, then a class each */
	int profile;
	char *buffer; /* of the savefile's stream; NULL: it has its own */
};

/* One read, first member of each handler's own context. */
struct reading {
	struct source *source;
	PyThreadState *thread; /* while the lock is dropped */
	uint64_t n;	       /* packets that the handler got */
	bool failed;	       /* it raised an exception */
};

/* Life of a read. begin: 0, or -1 with an exception (closed, in use). end: closes if that was asked
 * for meanwhile. */
int source_begin(struct source *s);
void source_end(struct source *s);

/* Until cnt packets (<= 0: no limit) or the end of the file were handed to the handler; with `once`
 * also when what was there is read or the timeout is over. 0, or -1 with an exception. */
enum extent { ONCE, FOREVER };
int source_run(struct source *s, int cnt, enum extent extent, pcap_handler handler,
	       struct reading *r);

/* Sleep for packets. 1: look again; 0: it is deadline_ns (monotonic; < 0: no limit); -1: a signal's
 * handler raised. */
int source_wait(struct source *s, int64_t deadline_ns);
int64_t source_deadline(int timeout_ms);	     /* <= 0: none */
int64_t source_read_timeout(const struct source *s); /* of a blocking or non-blocking read */

/* End the dispatch that is running, from its handler. */
void source_stop(struct source *s);

/* Is it over? A break is used up. */
bool source_is_over(struct source *s);
PyObject *source_error(struct source *s, int status); /* NULL with an exception */

/* Around a call of the library that reads; `status` is its result. The lock is dropped for a slow
 * file. */
void source_enter(struct source *s, struct reading *r);
void source_leave(struct source *s, struct reading *r, int status);

/* In a handler: take the lock that source_enter() dropped, and drop it again. */
void source_lock(struct source *s, struct reading *r);
void source_unlock(struct source *s, struct reading *r);

PyObject *pkthdr_new(const struct pcap_pkthdr *h);

/* Bytes that can be looked at for as long as the object lives. */
struct memory {
	PyObject_HEAD uint8_t *bytes;
	Py_ssize_t len;		       /* of them to be seen */
	size_t capacity;	       /* unless it is lent */
	struct pcap_accel_loan *loan;  /* NULL: the bytes are our own */
	struct memory *next, **before; /* of the lent ones */
};

struct memory *memory_new(size_t capacity); /* NULL with an exception; its bytes are arbitrary */
/* In place of its own bytes it has the batch's, which has a loan. */
void memory_lend(struct memory *m, const struct pcap_accel_borrowed *batch);

/* Methods of Source, defined in the file of their kind. */
PyObject *source_next(PyObject *self, PyObject *unused);
PyObject *source_loop(PyObject *self, PyObject *args);
PyObject *source_dispatch(PyObject *self, PyObject *args);
PyObject *source_read(PyObject *self, PyObject *args);
PyObject *source_borrow(PyObject *self, PyObject *args);
PyObject *source_filter_to(PyObject *self, PyObject *args);
PyObject *source_filter_into(PyObject *self, PyObject *args);

/* Functions of the module. */
PyObject *block_tolist(PyObject *module, PyObject *args);
PyObject *block_meta(PyObject *module, PyObject *args);
PyObject *keep_lent(PyObject *module, PyObject *unused);

extern PyType_Spec pkthdr_spec, source_spec, memory_spec, block_spec, classifier_spec;

#endif
