// The query protocol's codec: what forms mean, what they may not be, and what answers look like.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

#include "api/api.h"

#define NONE MF_NO_LIMIT, MF_NO_LIMIT
MF_INNER_SHAPE(tag, {"Key", MF_TEXT, NONE}, {"Value", MF_TEXT, NONE});
MF_INNER_SHAPE(tags, {"", MF_STRUCTURE, NONE, .of = &tag});
MF_INNER_SHAPE(names, {"", MF_TEXT, NONE});
MF_INNER_SHAPE(input, {"Name", MF_TEXT, NONE}, {"Count", MF_INTEGER, NONE}, {"Force", MF_BOOLEAN, NONE}, {"Tags", MF_LIST, NONE, .of = &tags},
               {"Names", MF_LIST, NONE, .of = &names}, {"Tag", MF_STRUCTURE, NONE, .of = &tag});

// The members as JSON text, or "! " and the error.
static const char *decoded(const char *form) {
  static char out[4096];
  mf_arena arena;
  mf_error err;
  mf_arena_init(&arena, 0);
  json_t *members = json_object();
  bool ok = mf_query_decode(mf_str_from(form), &input, &arena, members, &err);
  char *text = json_dumps(members, JSON_COMPACT | JSON_SORT_KEYS);
  snprintf(out, sizeof out, "%s%s", ok ? "" : "! ", ok ? text : err.message);
  free(text);
  json_decref(members);
  mf_arena_deinit(&arena);
  return out;
}

static void forms_become_members(void **state) {
  (void)state;
  assert_string_equal(decoded(""), "{}");
  assert_string_equal(decoded("Action=X&Version=1&Name=a+b%2Bc%26&Unknown.member.1=x"), "{\"Name\":\"a b+c&\"}");
  assert_string_equal(decoded("Count=-12&Force=true"), "{\"Count\":-12,\"Force\":true}");
  assert_string_equal(decoded("Tags.member.1.Key=k&Tags.member.1.Value=v&Tags.member.2.Key=l"),
                      "{\"Tags\":[{\"Key\":\"k\",\"Value\":\"v\"},{\"Key\":\"l\"}]}");
  assert_string_equal(decoded("Names.member.1=a&Names.member.2=&Tag.Key=%C3%A9"), "{\"Names\":[\"a\",\"\"],\"Tag\":{\"Key\":\"\xc3\xa9\"}}");
  assert_string_equal(decoded("Tags="), "{\"Tags\":[]}");
  assert_string_equal(decoded("&&Name&="), "{\"Name\":\"\"}");
}

static void places_that_are_not_there_are_passed_over(void **state) {
  (void)state;
  assert_string_equal(decoded("Tags.member.3.Key=k"), "{\"Tags\":[]}");
  assert_string_equal(decoded("Tags.member.99999999999999999999.Key=k"), "{\"Tags\":[]}");
  assert_string_equal(decoded("Tags.member.0.Key=k&Tags.member.x.Key=k&Tags.other.1=k&Tags.member=k"), "{\"Tags\":[]}");
  assert_string_equal(decoded("Tags.member.1.Nothing=k"), "{\"Tags\":[{}]}");
  assert_string_equal(decoded("Name.x=k"), "{\"Name\":\"\"}");
}

static void forms_that_are_none_are_refused(void **state) {
  (void)state;
  static const char *const wrong[] = {"Name=%", "Name=%4", "Name=%zz", "Name=%00", "%00=1", "Count=x", "Count=", "Count=1x", "Count=%201",
                                      "Count=99999999999999999999999999", "Force=yes", "Name=%ff%fe", "Name=a&Name=b"};
  for (size_t i = 0; i < MF_COUNT(wrong); i++)
    if (decoded(wrong[i])[0] != '!') fail_msg("%s was taken: %s", wrong[i], decoded(wrong[i]));
}

static void many_parameters_are_refused_at_once(void **state) {
  (void)state;
  mf_buf form = {0};
  for (int i = 1; i <= 3000; i++) mf_buf_format(&form, "Names.member.%d=x&", i);
  mf_buf_append(&form, "", 1);
  assert_string_equal(decoded(form.data), "! the request has more than 2000 parameters");
  mf_buf_deinit(&form);
}

static void answers_are_xml(void **state) {
  (void)state;
  mf_buf out = {0};
  json_t *answer = json_pack("{s:s,s:i,s:b,s:n,s:[s,s],s:[],s:{s:s}}", "Text", "<a> & \"b\"\r\n\x01\xef\xbf\xbf\xef\xbf\xbd", "Number", 3, "Flag", 1,
                             "Absent", "List", "x", "y", "Empty", "Inner", "Key", "\xc3\xa9");
  mf_xml_members(&out, answer, 0);
  mf_buf_append(&out, "", 1);
  assert_string_equal(out.data, "<Text>&lt;a&gt; &amp; \"b\"&#xD;\n??\xef\xbf\xbd</Text>\n<Number>3</Number>\n<Flag>true</Flag>\n<List>\n"
                                "  <member>x</member>\n  <member>y</member>\n</List>\n<Empty>\n</Empty>\n<Inner>\n  <Key>\xc3\xa9</Key>\n</Inner>\n");
  json_decref(answer);
  mf_buf_deinit(&out);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(forms_become_members),
      cmocka_unit_test(places_that_are_not_there_are_passed_over),
      cmocka_unit_test(forms_that_are_none_are_refused),
      cmocka_unit_test(many_parameters_are_refused_at_once),
      cmocka_unit_test(answers_are_xml),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
