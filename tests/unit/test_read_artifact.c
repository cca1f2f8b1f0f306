/* The second reader, examples/read_artifact.c, gives the values that pare reads. READ_ARTIFACT names it. */
#include <sys/wait.h>

#include "artifact_model.h"
#include "quant/weight_io.h"

enum { OUTPUT_SIZE = 1 << 16, COMMAND_SIZE = 2048 };

/* Runs `read_artifact PATH [NAME]`; the exit code. Standard error goes where standard output goes. */
static int run(const char *path, const char *name, char *output, size_t *size)
{
   char command[COMMAND_SIZE];
   const char *program = getenv("READ_ARTIFACT");
   ck_assert_msg(program != NULL, "READ_ARTIFACT must name the program");
   int length = snprintf(command, sizeof command, "'%s' '%s' %s%s%s 2>&1", program, path, name ? "'" : "",
                         name ? name : "", name ? "'" : "");
   ck_assert_int_lt(length, COMMAND_SIZE);
   FILE *pipe = popen(command, "r");
   ck_assert_ptr_nonnull(pipe);
   *size = fread(output, 1, OUTPUT_SIZE - 1, pipe);
   output[*size] = 0;
   return WEXITSTATUS(pclose(pipe));
}

static void compare_weight(pare_ctx *ctx, const char *path, const pare_weight *weight)
{
   static char output[OUTPUT_SIZE];
   size_t count = (size_t)pare_weight_count(weight), size;
   float *values = calloc(count, sizeof *values);
   assert_ok(ctx, pare_weight_read(ctx, weight, 0, weight->dim[0], values));
   ck_assert_int_eq(run(path, weight->name, output, &size), 0);
   ck_assert_uint_eq(size, 4 * count);
   for (size_t i = 0; i < count; i++) {
      float value;
      memcpy(&value, output + 4 * i, sizeof value);
      ck_assert_msg(memcmp(&value, &values[i], sizeof value) == 0, "%s[%zu]: %.9g, not %.9g", weight->name, i,
                    (double)value, (double)values[i]);
   }
   free(values);
}

static void compare_all(bool deflate)
{
   pare_ctx ctx;
   unit_heap heap;
   pare_model *made, *model;
   char path[FOLDER_PATH];
   folder f = folder_create();
   unit_heap_init(&ctx, &heap);
   snprintf(path, sizeof path, "%s/made.pare", f.path);
   assert_ok(&ctx, made_create(&ctx, &made));
   assert_ok(&ctx, made_write(&ctx, made, path, deflate));
   assert_ok(&ctx, pare_artifact_load(&ctx, path, &model));
   for (size_t i = 0; i < model->graph->n_weights; i++)
      compare_weight(&ctx, path, model->graph->weights[i]);
   pare_model_destroy(&ctx, model);
   pare_model_destroy(&ctx, made);
   ck_assert_int_eq(heap.blocks, 0);
   folder_remove(&f);
}

START_TEST(raw_values_are_the_same)
{
   compare_all(false);
}
END_TEST

START_TEST(deflated_values_are_the_same)
{
   compare_all(true);
}
END_TEST

/* Its table has a line for each weight; a changed byte shows as BAD, a file that is none as one line. */
START_TEST(the_table_tells_what_is_wrong)
{
   static char output[OUTPUT_SIZE];
   pare_ctx ctx;
   unit_heap heap;
   pare_model *model;
   size_t size, lines = 0;
   char path[FOLDER_PATH];
   folder f = folder_create();
   unit_heap_init(&ctx, &heap);
   snprintf(path, sizeof path, "%s/made.pare", f.path);
   assert_ok(&ctx, made_create(&ctx, &model));
   assert_ok(&ctx, made_write(&ctx, model, path, false));
   ck_assert_int_eq(run(path, NULL, output, &size), 0);
   for (size_t i = 0; i < size; i++) lines += output[i] == '\n';
   ck_assert_uint_eq(lines, 1 + model->graph->n_weights);
   ck_assert_ptr_null(strstr(output, "BAD"));
   ck_assert_int_eq(run(path, "none", output, &size), 3);
   ck_assert_str_eq(output, "read_artifact: none: no weight of that name\n");

   FILE *file = fopen(path, "r+b");
   ck_assert(fseek(file, 70, SEEK_SET) == 0 && fputc(1, file) == 1 && fclose(file) == 0);
   ck_assert_int_eq(run(path, NULL, output, &size), 1);
   ck_assert_ptr_nonnull(strstr(output, "BAD"));
   ck_assert_int_eq(run(path, "embed", output, &size), 3);
   ck_assert_int_eq(truncate(path, 1000), 0);
   ck_assert_int_eq(run(path, NULL, output, &size), 3);
   ck_assert_ptr_eq(strchr(output, '\n'), output + size - 1);
   pare_model_destroy(&ctx, model);
   ck_assert_int_eq(heap.blocks, 0);
   folder_remove(&f);
}
END_TEST

UNIT_MAIN("read_artifact", raw_values_are_the_same, deflated_values_are_the_same,
          the_table_tells_what_is_wrong)
