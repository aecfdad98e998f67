// Every public header in one C++ program, and a few calls: no warning, and the names are C's.
#include <runnel/runnel.h>

#include <cstdio>
#include <string>

static enum rn_poll once(struct rn_task *task, struct rn_cx *)
{
    task->result = 7;
    return RN_READY;
}

int main()
{
    struct rn_address address;
    char text[RN_ADDRESS_TEXT_MAX];
    struct rn_task task = {};
    task.poll = once;
    if (rn_address_parse(&address, "192.0.2.1:80", 0) < 0) return 1;
    std::string line(text, rn_address_format(&address, text));
    std::printf("%s %s %d\n", RN_VERSION, line.c_str(), task.poll(&task, nullptr) == RN_READY);
    return task.result == 7 ? 0 : 1;
}
