import threading
import unittest
from http.server import ThreadingHTTPServer
from urllib.request import urlopen

import billing
import server


class Gross(unittest.TestCase):
    def test_tax_is_rounded_to_the_cent(self):
        self.assertEqual(billing.gross("9.99", "DE")["tax"], "1.90")

    def test_net_and_tax_add_up(self):
        self.assertEqual(billing.gross("100", "KR"), {"net": "100.00", "tax": "10.00", "gross": "110.00", "country": "KR"})

    def test_an_unknown_country_is_rejected(self):
        with self.assertRaisesRegex(billing.Rejected, "no rate for country 'XX'"):
            billing.gross("1", "XX")

    def test_what_is_no_amount_is_rejected(self):
        for net in ["", "ten", "-1", "NaN", "Infinity"]:
            with self.subTest(net=net), self.assertRaises(billing.Rejected):
                billing.gross(net, "DE")


class Http(unittest.TestCase):
    def test_a_real_request_is_answered(self):
        http = ThreadingHTTPServer(("127.0.0.1", 0), server.Handler)
        self.addCleanup(http.server_close)
        threading.Thread(target=http.serve_forever, daemon=True).start()
        self.addCleanup(http.shutdown)
        with urlopen(f"http://127.0.0.1:{http.server_port}/gross?net=50&country=IE") as reply:
            self.assertIn(b'"gross": "61.50"', reply.read())

    def test_a_wrong_amount_is_the_callers_fault(self):
        self.assertEqual(server.answer("/gross?net=ten&country=DE")[0], 400)

    def test_an_unknown_path_is_not_found(self):
        self.assertEqual(server.answer("/nowhere")[0], 404)
