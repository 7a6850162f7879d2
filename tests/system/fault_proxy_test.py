# SPDX-License-Identifier: Apache-2.0
"""The fault proxy does what it says."""

import http.client
import http.server
import json
import threading
import unittest

from fault_proxy import FAILURES_IN_A_ROW, Fault, FaultProxy

ANSWER = json.dumps({"task_id": "t", "code": "Accepted"}).encode()


class _Service(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_POST(self):
        body = self.rfile.read(int(self.headers["Content-Length"]))
        self.server.bodies.append(body)
        self.send_response(202)
        self.send_header("Content-Length", str(len(ANSWER)))
        self.end_headers()
        self.wfile.write(ANSWER)

    def log_message(self, *_):
        pass


class FaultProxyTest(unittest.TestCase):
    def setUp(self):
        self.service = http.server.ThreadingHTTPServer(("127.0.0.1", 0), _Service)
        self.service.bodies = []
        thread = threading.Thread(target=self.service.serve_forever, kwargs={"poll_interval": 0.05})
        thread.start()
        self.addCleanup(self.service.server_close)
        self.addCleanup(thread.join)
        self.addCleanup(self.service.shutdown)

    def proxy(self, seed=1, rates=None):
        proxy = FaultProxy(self.service.server_port, seed, rates or {})
        self.addCleanup(proxy.close)
        return proxy

    def always(self, fault):
        return self.proxy(rates={fault: 1.0})

    def send(self, proxy, path="/v0.10/transfer", body=b'{"submission_id": "s"}'):
        """(status, body), or the name of what was seen instead."""
        connection = http.client.HTTPConnection("127.0.0.1", int(proxy.url.rsplit(":", 1)[1]), timeout=60)
        try:
            connection.request("POST", path, body, {"Authorization": "Bearer token"})
            reply = connection.getresponse()
            return reply.status, reply.read()
        except (OSError, http.client.HTTPException) as error:
            return type(error).__name__
        finally:
            connection.close()

    def test_passes_requests_and_answers_on_and_remembers_them(self):
        proxy = self.proxy()
        self.assertEqual(self.send(proxy), (202, ANSWER))
        self.assertEqual(self.service.bodies, [b'{"submission_id": "s"}'])
        self.assertEqual(proxy.submissions(), [{"submission_id": "s", "task_id": "t", "code": "Accepted"}])
        self.assertEqual(proxy.secrets(), {"token"})
        self.assertEqual(proxy.faults(), {Fault.NONE: 1})

    def test_a_reset_comes_before_or_after_the_service_has_acted(self):
        self.assertEqual(self.send(self.always(Fault.RESET_BEFORE)), "ConnectionResetError")
        self.assertEqual(self.service.bodies, [])
        proxy = self.always(Fault.RESET_AFTER)
        self.assertEqual(self.send(proxy), "ConnectionResetError")
        self.assertEqual(len(self.service.bodies), 1)
        self.assertEqual(len(proxy.submissions()), 1)

    def test_answers_are_cut_short_replaced_and_delayed(self):
        self.assertEqual(self.send(self.always(Fault.TRUNCATE)), "IncompleteRead")
        status, body = self.send(self.always(Fault.GARBLE))
        self.assertEqual((status, body[:6]), (202, b"<html>"))
        self.assertEqual(self.send(self.always(Fault.DELAY)), (202, ANSWER))
        self.assertEqual(len(self.service.bodies), 3)

    def test_some_answers_are_its_own(self):
        for fault in (Fault.BUSY, Fault.ERROR, Fault.BAD_GATEWAY, Fault.UNAVAILABLE):
            self.assertEqual(self.send(self.always(fault))[0], fault.value)
        proxy = self.always(Fault.ERROR)
        proxy.answer_instead = lambda exchange: (418, {"for": exchange.path})
        self.assertEqual(self.send(proxy, "/pot"), (418, b'{"for": "/pot"}'))
        self.assertEqual(self.service.bodies, [])

    def test_who_repeats_a_request_gets_through(self):
        proxy = self.always(Fault.ERROR)
        statuses = [self.send(proxy)[0] for _ in range(FAILURES_IN_A_ROW + 1)]
        self.assertEqual(statuses, [500] * FAILURES_IN_A_ROW + [202])
        proxy.is_on = False
        self.assertEqual(self.send(proxy)[0], 202)

    def test_a_service_that_is_not_there_is_a_reset(self):
        proxy = self.proxy()
        proxy.port = 1
        self.assertEqual(self.send(proxy), "ConnectionResetError")

    def test_a_seed_repeats_what_it_did(self):
        def faults(seed):
            proxy = self.proxy(seed, {Fault.ERROR: 0.5})
            for number in range(40):
                self.send(proxy, f"/task/{number % 2:08x}-0000-4000-8000-000000000000", str(number).encode())
            return [exchange.fault for exchange in proxy.seen]

        first = faults(7)
        self.assertEqual(first, faults(7))
        self.assertNotEqual(first, faults(8))
        self.assertEqual(set(first), {Fault.NONE, Fault.ERROR})


if __name__ == "__main__":
    unittest.main()
