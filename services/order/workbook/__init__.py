"""The workbook: everything a workshop defines and its orders, as sheets that people can edit and send back.

    reading   a file -> sheets of plain cells            layout    which of their columns is which of ours
    sheets    the catalogue of sheets and columns        rows      cells -> values, by level (routing, operation ...)
    documents values <-> definitions                     checking  references, rules across cells
    comparing stored and wished values -> changes        importing all of it in one transaction
    writing   export and template

A cell that is empty means "nothing"; a column that is not there, and a row that is not there, mean "as it is".
"""
