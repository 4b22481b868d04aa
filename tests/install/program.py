"""A small program without torch for every Python 3: it imports, works, logs and prints, and ends with its argument."""

import decimal
import json
import logging
import sys
import unittest.mock
import xml.etree.ElementTree


def work(count: int) -> decimal.Decimal:
    """Some arithmetic."""
    total = decimal.Decimal(0)
    for number in range(count):
        total += decimal.Decimal(number).sqrt()
    return total


def main() -> int:
    """Works in a few rounds, logs each, and prints what came out."""
    logging.basicConfig(stream=sys.stderr, format="%(levelname)s %(message)s", level=logging.INFO)
    results = []
    for part in range(1, 6):
        results.append(str(round(work(20000 * part), 3)))
        logging.info("part %d is %s", part, results[-1])
    root = xml.etree.ElementTree.Element("results", count=str(len(results)))
    print(json.dumps(results))
    print(xml.etree.ElementTree.tostring(root).decode())
    print(unittest.mock.Mock(return_value=sys.argv[1:])())
    return int(sys.argv[1])


sys.exit(main())
