"""Seeds of fuzz_query: forms of every kind of member."""


def seeds():
    forms = ["Action=X&Version=2010-05-08&Name=abc", "Name=a%20b+c&Branch.Flag=true&Branch.Leaves.member.1.Key=k&Branch.Leaves.member.1.Value=12",
             "Branches.member.1.Leaves.member.1.Key=k&Branches.member.1.Leaves.member.2.Key=%C3%A9&Branches.member.2.Flag=false&Name=xy",
             "Branches=&Branch=&Name=", "Branches.member.2.Flag=true&Name=%", "Name=a&Name=b"]
    for number, form in enumerate(forms):
        yield f"{number:02}", form.encode()
