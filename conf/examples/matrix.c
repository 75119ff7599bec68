/* matrix.c: multiplies two matrices, as Workflow's docs/en/tutorial-08-matrix_multiply.md does: an
 * algorithm that knows of no task and no request, and around it what reads its input and writes
 * its output. It runs on a thread of the compute pool, in the queue that matrix.yaml names. */
#include <leat.h>

struct matrix {
	size_t rows, cols;
	double *cells;
};

/* ------------------------------------------------------------ the algorithm */

/* c = a × b. Returns false when nobody waits for the product any more. */
static bool matrix_multiply(struct leat_call *call, const struct matrix *a, const struct matrix *b,
			    struct matrix *c)
{
	for (size_t i = 0; i < a->rows; i++) {
		double *to = &c->cells[i * c->cols];

		if (leat->is_cancelled(call))
			return false;
		for (size_t k = 0; k < a->cols; k++) {
			const double factor = a->cells[i * a->cols + k];
			const double *from = &b->cells[k * b->cols];

			for (size_t j = 0; j < b->cols; j++)
				to[j] += factor * from[j];
		}
	}
	return true;
}

/* ------------------------------------------------------------ input and output */

/* [[1, 2, 3], [4, 5, 6]]. False when it is something else, which is then the call's failure. */
static bool matrix_read(struct leat_call *call, const char *name, struct matrix *matrix)
{
	const struct leat_value *rows = leat->member(leat->input(call), name);

	matrix->rows = leat->len(rows);
	matrix->cols = leat->len(leat->at(rows, 0));
	if (matrix->rows == 0 || matrix->cols == 0) {
		leat->fail(call, "invalid_input", 0, "%s is no list of rows of numbers", name);
		return false;
	}
	matrix->cells = leat->alloc(call, matrix->rows * matrix->cols * sizeof(double));
	for (size_t i = 0; matrix->cells && i < matrix->rows; i++) {
		if (leat->numbers(leat->at(rows, i), &matrix->cells[i * matrix->cols],
				  matrix->cols))
			continue;
		leat->fail(call, "invalid_input", 0, "row %zu of %s is not %zu numbers", i + 1,
			   name, matrix->cols);
		return false;
	}
	return matrix->cells != NULL;
}

static void matrix_write(struct leat_json *json, const struct matrix *matrix)
{
	leat->json_list(json);
	for (size_t i = 0; i < matrix->rows; i++)
		leat->json_numbers(json, &matrix->cells[i * matrix->cols], matrix->cols);
	leat->json_end(json);
}

static void multiply(struct leat_call *call)
{
	struct matrix a, b, c;

	if (!matrix_read(call, "a", &a) || !matrix_read(call, "b", &b))
		return;
	if (a.cols != b.rows) {
		leat->fail(call, "invalid_input", 0,
			   "a has %zu columns and b %zu rows: they must be as many", a.cols,
			   b.rows);
		return;
	}
	c.rows = a.rows;
	c.cols = b.cols;
	c.cells = leat->alloc(call, c.rows * c.cols * sizeof(double));
	if (c.cells && matrix_multiply(call, &a, &b, &c))
		matrix_write(leat->result(call), &c);
}

static const struct leat_function functions[] = {
	{ "multiply", "The product of the matrices `a` and `b`, lists of rows.", multiply,
	  LEAT_IDEMPOTENT },
	LEAT_END,
};

LEAT_MODULE("matrix", functions, NULL, NULL, NULL);
