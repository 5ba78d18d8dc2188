#!/usr/bin/python3
"""`mayfly check` on folders made here: what was recorded is compared, and what is not whole fails instead of passing unlooked at.

Usage: test_check.py PATH-OF-mayfly [unittest arguments]
"""
import os
import pathlib
import subprocess
import sys
import tempfile
import unittest

import numpy
from onnx import TensorProto, helper, numpy_helper

MAYFLY = os.path.abspath(sys.argv.pop(1))


def model():
    """a = x + z, b = x - z."""
    value = lambda name: helper.make_tensor_value_info(name, TensorProto.FLOAT, [2])
    graph = helper.make_graph([helper.make_node('Add', ['x', 'z'], ['a']), helper.make_node('Sub', ['x', 'z'], ['b'])], 'two',
                              [value('x'), value('z')], [value('a'), value('b')])
    return helper.make_model(graph, opset_imports=[helper.make_opsetid('', 13)], ir_version=7).SerializeToString()


class Check(unittest.TestCase):
    def setUp(self):
        scratch = tempfile.TemporaryDirectory()
        self.addCleanup(scratch.cleanup)
        self.folder = pathlib.Path(scratch.name)
        (self.folder / 'model.onnx').write_bytes(model())

    def record(self, number=0, wrong=0.0):
        folder = self.folder / f'test_data_set_{number}'
        folder.mkdir()
        x, z = numpy.float32([number, 2]), numpy.float32([3, 5])
        for name, value in (('input_0', x), ('input_1', z), ('output_0', x + z), ('output_1', x - z + numpy.float32(wrong))):
            (folder / f'{name}.pb').write_bytes(numpy_helper.from_array(value, name).SerializeToString())
        return folder

    def expect(self, summary, *words):
        done = subprocess.run([MAYFLY, 'check', self.folder], capture_output=True, text=True, timeout=60)
        self.assertEqual((done.stdout.splitlines()[-1], done.returncode), (summary, 0 if ' 0 failed' in summary else 1), done.stdout + done.stderr)
        for word in words:
            self.assertIn(word, done.stdout)

    def passes(self):
        self.expect('1 passed, 0 failed, 0 skipped')

    def fails(self, *words):
        self.expect('0 passed, 1 failed, 0 skipped', *words)

    def test_what_was_recorded_is_compared(self):
        self.record()
        self.passes()
        self.record(1, wrong=0.01)
        self.fails('test_data_set_1', "output 'b'")

    def test_a_folder_without_a_set_fails(self):
        self.fails('test_data_set_0')

    def test_an_empty_set_fails(self):
        (self.folder / 'test_data_set_0').mkdir()
        self.fails('0 inputs are recorded', 'the model has 2')

    def test_a_set_without_outputs_fails(self):
        folder = self.record()
        for name in ('output_0.pb', 'output_1.pb'):
            (folder / name).unlink()
        self.fails('0 outputs are recorded', 'the model has 2')

    def test_a_missing_file_fails(self):
        for name, words in (('output_0.pb', '0 outputs'), ('output_1.pb', '1 outputs'), ('input_0.pb', '0 inputs'), ('input_1.pb', '1 inputs')):
            with self.subTest(name):
                path = self.record() / name
                path.unlink()
                self.fails(words)
                for rest in path.parent.iterdir():
                    rest.unlink()
                path.parent.rmdir()

    def test_every_one_of_many_sets_is_compared(self):
        for number in range(70):
            self.record(number)
        self.passes()
        self.record(70, wrong=1)
        self.fails('test_data_set_70')

    def test_a_gap_between_sets_fails(self):
        self.record(0)
        self.record(2)
        self.fails('test_data_set_1 is missing')

    def test_a_file_of_tolerances_is_two_numbers(self):
        self.record(wrong=0.01)
        self.fails("output 'b'")
        (self.folder / 'tolerance').write_text('0 0.02\n')
        self.passes()
        for text in ('', '1', '1 x', '-1 1', '1 -1', 'nan 1', '1 inf', '1 1 1', '1 1 words', '1,1'):
            with self.subTest(text):
                (self.folder / 'tolerance').write_text(text)
                self.fails(str(self.folder / 'tolerance'), 'two numbers')


unittest.main()
