/* Conformance: the reference evaluation of ops against the cases of ONNX, as tests/reference/onnx_cases.py wrote
 * them: graphs, each followed by a line of numbers for each input and one for the result. */
#include <stdio.h>
#include <stdlib.h>

#include "graphs.h"
#include "ops/evaluate.h"

static pare_ctx ctx;
static unit_heap heap;

enum { MOST_INPUTS = 8 };

static const pare_sizes no_sizes;

/* As f32 or as i32, both of four bytes. The text moves past the line. */
static void read_numbers(char **text, const pare_type *type, void *out, const char *name)
{
   size_t count = pare_type_count(type, &no_sizes);
   char *at = *text + strlen(name);
   ck_assert_msg(strncmp(*text, name, strlen(name)) == 0, "expected %s, found %.20s", name, *text);
   for (size_t i = 0; i < count; i++) {
      double value = strtod(at, &at);
      if (type->dtype == PARE_I32) ((int32_t *)out)[i] = (int32_t)value;
      else ((float *)out)[i] = (float)value;
   }
   ck_assert_msg(*at == '\n', "%s has more than %zu numbers", name, count);
   *text = at + 1;
}

static bool close_enough(double found, double wanted)
{
   if (isnan(wanted)) return isnan(found);
   return found == wanted || fabs(found - wanted) <= 2e-6 + 2e-5 * fabs(wanted);
}

static void compare(const pare_graph *graph, const void *found, const void *wanted)
{
   const pare_type *type = &graph->outputs[0]->type;
   for (size_t i = 0; i < pare_type_count(type, &no_sizes); i++) {
      bool ints = type->dtype == PARE_I32;
      double a = ints ? ((const int32_t *)found)[i] : (double)((const float *)found)[i];
      double b = ints ? ((const int32_t *)wanted)[i] : (double)((const float *)wanted)[i];
      ck_assert_msg(close_enough(a, b), "%s[%zu] is %.9g, expected %.9g", graph->name, i, a, b);
   }
}

/* The graph at *text and the numbers after it. */
static void run_case(char **text)
{
   char name[64];
   pare_graph *graph = NULL;
   pare_binding bindings[MOST_INPUTS];
   size_t count = 0;
   char *end = strstr(*text, "\n}\n");
   ck_assert_ptr_nonnull(end);
   unit_heap_init(&ctx, &heap);
   assert_ok(&ctx, pare_graph_parse(&ctx, *text, (size_t)(end + 3 - *text), "case", attach_values, NULL, &graph));
   *text = end + 3;
   for (size_t i = 0; i < graph->n_values; i++) {
      const pare_value *value = graph->values[i];
      if (value->kind != PARE_VALUE_INPUT) continue;
      void *data = calloc(pare_type_count(&value->type, &no_sizes), sizeof(float));
      snprintf(name, sizeof name, "%s ", value->name);
      read_numbers(text, &value->type, data, name);
      bindings[count++] = (pare_binding){ value->name, data };
   }
   size_t size = pare_type_count(&graph->outputs[0]->type, &no_sizes);
   float *found = calloc(size, sizeof *found), *wanted = calloc(size, sizeof *wanted), *outputs[] = { found };
   read_numbers(text, &graph->outputs[0]->type, wanted, "result ");
   pare_evaluation plan = { .bindings = bindings, .n_bindings = count, .decode = pare_decode_float,
                            .outputs = outputs };
   assert_ok(&ctx, pare_evaluate(&ctx, graph, &plan));
   compare(graph, found, wanted);
   for (size_t i = 0; i < count; i++) free(bindings[i].data);
   free(found);
   free(wanted);
   pare_graph_destroy(&ctx, graph);
   ck_assert_int_eq(heap.blocks, 0);
}

START_TEST(cases_of_onnx)
{
   char path[512];
   pare_buffer *bytes;
   int count = 0;
   const char *slash = strrchr(__FILE__, '/');
   snprintf(path, sizeof path, "%.*s/../reference/onnx/cases.txt", slash ? (int)(slash - __FILE__) : 1,
            slash ? __FILE__ : ".");
   unit_heap_init(&ctx, &heap);
   assert_ok(&ctx, pare_read_file(&ctx, path, 1 << 20, &bytes));
   char *copy = calloc(pare_buffer_size(bytes) + 1, 1);
   memcpy(copy, pare_buffer_data(bytes), pare_buffer_size(bytes));
   pare_buffer_unref(&ctx, bytes);
   for (char *at = copy; *at; count++) {
      run_case(&at);
      while (*at == '\n') at++;
   }
   ck_assert_int_ge(count, 100);
   free(copy);
}
END_TEST

UNIT_MAIN("ops_onnx", cases_of_onnx)
