/* SPDX-License-Identifier: BSD-3-Clause */
/* pfq_groups - the calls for PFQ groups, for scripts.
 *
 *     pfq_groups list [MAX] | get N | members N [MAX] | delete N | watch
 *     pfq_groups set N [devices=D] [computation=C] [vlans=V] [persistent=0|1] [size=BYTES]
 *
 * Our library must be preloaded. Prints a line of JSON: {"error": "..."} for a failure, exit 1.
 * `watch` prints READY, then a line for each time that it was woken, until its input ends.
 *
 * Threads: one. */
#include "../../libpcap-accel/include/pcap-accel.h"

#include <dlfcn.h>
#include <fcntl.h>
#include <pcap/pcap.h>
#include <poll.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define MAX_FOUND 4096

static char errbuf[PCAP_ERRBUF_SIZE];

static void *look_up(const char *name)
{
	void *found = dlsym(RTLD_DEFAULT, name);

	if (!found) {
		printf("{\"error\": \"%s is not there\"}\n", name);
		exit(2);
	}
	return found;
}

#define CALL(name) ((__typeof__(&pcap_accel_##name))look_up("pcap_accel_" #name))

static void print_text(const char *key, const char *text)
{
	printf(", \"%s\": \"", key);
	for (; *text; text++)
		printf((unsigned char)*text < 0x20 || *text == '"' || *text == '\\' ? "\\u%04x"
										    : "%c",
		       (unsigned char)*text);
	printf("\"");
}

static int fail(void)
{
	printf("{\"rc\": -1");
	print_text("error", errbuf);
	printf("}\n");
	return 1;
}

static int list(size_t max)
{
	static uint16_t numbers[MAX_FOUND];
	int n = CALL(list_groups)(numbers, max, errbuf);

	if (n < 0)
		return fail();
	printf("{\"count\": %d, \"groups\": [", n);
	for (int i = 0; i < n && i < (int)max; i++)
		printf("%s%u", i ? ", " : "", numbers[i]);
	printf("]}\n");
	return 0;
}

static int get(unsigned number)
{
	struct pcap_accel_group group = {.size = sizeof(group)};

	if (CALL(get_group)(number, &group, errbuf) < 0)
		return fail();
	printf("{\"number\": %u, \"n_members\": %u, \"persistent\": %u, \"generation\": %u",
	       group.number, group.n_members, group.persistent, group.generation);
	print_text("devices", group.devices);
	print_text("computation", group.computation);
	print_text("vlans", group.vlans);
	print_text("block", group.block);
	printf("}\n");
	CALL(free_group)(&group);
	return 0;
}

static int members(unsigned number, size_t max)
{
	static struct pcap_accel_member found[MAX_FOUND];
	int n = CALL(list_members)(number, found, max, errbuf);

	if (n < 0)
		return fail();
	printf("{\"count\": %d, \"members\": [", n);
	for (int i = 0; i < n && i < (int)max; i++) {
		printf("%s{\"pid\": %d, \"slot\": %u, \"since_ns\": %llu", i ? ", " : "",
		       found[i].pid, found[i].slot, (unsigned long long)found[i].since_ns);
		print_text("program", found[i].program);
		print_text("device", found[i].device);
		printf("}");
	}
	printf("]}\n");
	return 0;
}

static const char *value_of(char **argv, const char *key)
{
	size_t len = strlen(key);

	for (; *argv; argv++)
		if (strncmp(*argv, key, len) == 0 && (*argv)[len] == '=')
			return *argv + len + 1;
	return NULL;
}

static int set(unsigned number, char **argv)
{
	struct pcap_accel_group_change change = {
		.size = sizeof(change),
		.devices = value_of(argv, "devices"),
		.computation = value_of(argv, "computation"),
		.vlans = value_of(argv, "vlans"),
		.persistent = -1,
	};

	if (value_of(argv, "persistent"))
		change.persistent = atoi(value_of(argv, "persistent"));
	if (value_of(argv, "reserved"))
		change.reserved = atoi(value_of(argv, "reserved"));
	if (value_of(argv, "size"))
		change.size = (uint64_t)atoi(value_of(argv, "size"));
	if (CALL(set_group)(number, &change, errbuf) < 0)
		return fail();
	printf("{\"rc\": 0}\n");
	return 0;
}

static int delete (unsigned number)
{
	if (CALL(delete_group)(number, errbuf) < 0)
		return fail();
	printf("{\"rc\": 0}\n");
	return 0;
}

static int watch(void)
{
	struct pollfd fds[2] = {{.fd = CALL(watch_groups)(errbuf), .events = POLLIN},
				{.fd = STDIN_FILENO, .events = POLLIN}};
	char bytes[4096];

	if (fds[0].fd < 0)
		return fail();
	if (!(fcntl(fds[0].fd, F_GETFL) & O_NONBLOCK) || !(fcntl(fds[0].fd, F_GETFD) & FD_CLOEXEC))
		return 3;
	printf("READY\n");
	fflush(stdout);
	while (poll(fds, 2, -1) > 0 && !fds[1].revents) {
		while (read(fds[0].fd, bytes, sizeof(bytes)) > 0)
			;
		printf("WOKEN\n");
		fflush(stdout);
	}
	return 0;
}

int main(int argc, char **argv)
{
	const char *what = argc > 1 ? argv[1] : "";
	unsigned number = argc > 2 ? (unsigned)strtoul(argv[2], NULL, 10) : 0;
	size_t max = argc > 3 ? (size_t)atoi(argv[3]) : MAX_FOUND;

	if (strcmp(what, "list") == 0)
		return list(argc > 2 ? number : MAX_FOUND);
	if (strcmp(what, "watch") == 0)
		return watch();
	if (argc < 3)
		return 2;
	if (strcmp(what, "get") == 0)
		return get(number);
	if (strcmp(what, "members") == 0)
		return members(number, max);
	if (strcmp(what, "set") == 0)
		return set(number, argv + 3);
	return strcmp(what, "delete") == 0 ? delete (number) : 2;
}
