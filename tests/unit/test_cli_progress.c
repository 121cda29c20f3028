/* SPDX-License-Identifier: Apache-2.0 */
/* Progress lines in a log: what they say of tasks, and of such as come again
 * under the same name. */

#include <stdio.h>
#include <string.h>
#include <time.h>

#include "check.h"
#include "cli/progress.h"

static void step(struct assay__progress *p, const char *task, uint64_t done)
{
    struct assay_progress s = {.task = task, .done = done, .total = 10};

    assay__progress_step(p, &s);
}

static void wait_a_little(void)
{
    const struct timespec time = {1, 500000000};

    nanosleep(&time, NULL);
}

/* All that was written, into text. */
static void read_all(FILE *file, char *text, size_t size)
{
    size_t n;

    rewind(file);
    n = fread(text, 1, size - 1, file);
    text[n] = '\0';
}

static void test_a_task_that_comes_again_has_a_clock_of_its_own(void)
{
    FILE *file = tmpfile();
    struct assay__progress p;
    char text[2000];

    CHECK(file != NULL);
    assay__progress_init(&p, file);
    step(&p, "tuning", 0);
    step(&p, "tuning", 10);
    wait_a_little();
    step(&p, "tuning", 1);
    step(&p, "tuning", 10);
    read_all(file, text, sizeof(text));
    CHECK_STR_HAS(text, "tuning");
    CHECK_STR_HAS(text, "  0."); /* less than a second, both times */
    CHECK(strstr(strstr(text, "  0.") + 1, "  0.") != NULL);
    fclose(file);
}

/* Steps back within a task that has not ended do not begin it anew. */
static void test_a_task_under_way_keeps_its_clock(void)
{
    FILE *file = tmpfile();
    struct assay__progress p;
    char text[2000];

    CHECK(file != NULL);
    assay__progress_init(&p, file);
    step(&p, "tuning", 3);
    wait_a_little();
    step(&p, "tuning", 2);
    step(&p, "tuning", 10);
    read_all(file, text, sizeof(text));
    CHECK(strstr(text, "  0.") == NULL);
    fclose(file);
}

static const struct check_test tests[] = {
    CHECK_TEST(test_a_task_that_comes_again_has_a_clock_of_its_own),
    CHECK_TEST(test_a_task_under_way_keeps_its_clock),
};
CHECK_MAIN(tests)
