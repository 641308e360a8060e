"""Runs the unit tests and writes a JUnit report: run_tests.py REPORT.xml"""

import sys
import time
import unittest
from xml.etree import ElementTree as xml


class Report(unittest.TextTestResult):
    """Keeps what a JUnit report says of each test."""

    def __init__(self, *args, **kwargs):
        super().__init__(*args, **kwargs)
        self.cases = []

    def startTest(self, test):
        super().startTest(test)
        self.started = time.monotonic()
        _, group, name = test.id().rsplit(".", 2)
        self.cases.append(xml.Element("testcase", classname=group, name=name))

    def stopTest(self, test):
        self.cases[-1].set("time", f"{time.monotonic() - self.started:.3f}")
        super().stopTest(test)

    def addFailure(self, test, err):
        super().addFailure(test, err)
        self.tell("failure", err)

    def addError(self, test, err):
        super().addError(test, err)
        self.tell("error", err)

    def addSubTest(self, test, subtest, err):
        super().addSubTest(test, subtest, err)
        if err is not None:
            self.tell("failure", err)

    def tell(self, kind, err):
        element = xml.SubElement(self.cases[-1], kind, type=err[0].__name__, message=str(err[1]))
        element.text = str(err[1])

    def write(self, path):
        suite = xml.Element(
            "testsuite",
            name="billing",
            tests=str(self.testsRun),
            failures=str(len(self.failures)),
            errors=str(len(self.errors)),
        )
        suite.extend(self.cases)
        xml.ElementTree(suite).write(path, encoding="utf-8", xml_declaration=True)


def main():
    suite = unittest.defaultTestLoader.discover(".")
    result = unittest.TextTestRunner(sys.stdout, verbosity=2, resultclass=Report).run(suite)
    result.write(sys.argv[1])
    sys.exit(not result.wasSuccessful())


if __name__ == "__main__":
    main()
