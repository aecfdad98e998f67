/*
 * runnel/runnel.h: all of it. A program that wants less includes the headers that it uses; each
 * carries its own contract.
 */
#ifndef RUNNEL_RUNNEL_H
#define RUNNEL_RUNNEL_H

#include <runnel/backend.h>
#include <runnel/base.h>
#include <runnel/buffered.h>
#include <runnel/channel.h>
#include <runnel/concurrency.h>
#include <runnel/dns.h>
#include <runnel/driver.h>
#include <runnel/fiber.h>
#include <runnel/fiber_net.h>
#include <runnel/file.h>
#include <runnel/helper.h>
#include <runnel/http.h>
#include <runnel/http1.h>
#include <runnel/http1_client.h>
#include <runnel/http_client.h>
#include <runnel/io.h>
#include <runnel/log.h>
#include <runnel/machine.h>
#include <runnel/net.h>
#include <runnel/resolver.h>
#include <runnel/runtime.h>
#include <runnel/sim.h>
#include <runnel/socket.h>
#include <runnel/sync.h>
#include <runnel/task.h>
#include <runnel/url.h>
#include <runnel/ws.h>
#include <runnel/ws_client.h>

#endif
