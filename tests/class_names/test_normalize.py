"""Published class lists to names: excerpts of well-known lists, and invariants."""

import pytest
from hypothesis import given, strategies as st

from skclip.prompts import build_prompts, normalize_names
from skclip.recall import CaptionRetriever


def one(name):
    (names,) = normalize_names([name]).values()
    return names


@pytest.mark.parametrize(
    ("given", "names"),
    [
        # ImageNet: synonyms after commas, Latin names, WordNet ids
        ("tench, Tinca tinca", ["tench", "Tinca tinca"]),
        (
            "great white shark, white shark, Carcharodon carcharias",
            ["great white shark", "white shark", "Carcharodon carcharias"],
        ),
        ("n01440764 tench, Tinca tinca", ["tench", "Tinca tinca"]),
        ("n02085620-Chihuahua", ["Chihuahua"]),
        # CUB-200, Oxford Pets, Caltech101, UCF101
        ("001.Black_footed_Albatross", ["Black footed Albatross"]),
        ("american_pit_bull_terrier", ["american pit bull terrier"]),
        ("Faces_easy", ["Faces easy"]),
        ("ApplyEyeMakeup", ["Apply Eye Makeup"]),
        # EuroSAT, Fashion-MNIST
        ("HerbaceousVegetation", ["Herbaceous Vegetation"]),
        ("Highway or Road", ["Highway", "Road"]),
        ("T-shirt/top", ["T-shirt", "top"]),
        # SUN397 and Places365
        ("/a/abbey", ["abbey"]),
        ("/a/apartment_building/outdoor", ["outdoor apartment building"]),
        # iNaturalist
        (
            "00001_Animalia_Chordata_Actinopterygii_Cypriniformes_Cyprinidae_Tinca_tinca",
            ["Tinca tinca"],
        ),
        ("Danaus plexippus (monarch butterfly)", ["Danaus plexippus", "monarch butterfly"]),
        ("Goldfish (Carassius auratus)", ["Goldfish", "Carassius auratus"]),
        # LVIS
        ("crab_(animal)", ["crab"]),
        # Stanford Cars in both orders
        ("Audi S5 Coupe 2012", ["2012 Audi S5 Coupe", "2012 Audi S5", "Audi S5 Coupe", "Audi S5"]),
        ("2001 Acura Integra Type R", ["2001 Acura Integra Type R", "Acura Integra Type R"]),
        (
            "Chevrolet Silverado 1500 Extended Cab 2012",
            [
                "2012 Chevrolet Silverado 1500 Extended Cab",
                "2012 Chevrolet Silverado 1500",
                "Chevrolet Silverado 1500 Extended Cab",
                "Chevrolet Silverado 1500",
            ],
        ),
        ("2012_Audi_S5", ["2012 Audi S5", "Audi S5"]),
        # a choice in brackets is a note
        ("military hat (bearskin or shako)", ["military hat"]),
        ("saw (hand/power)", ["saw"]),
        # unchanged
        ("737-200", ["737-200"]),
        # FGVC-Aircraft: a slash beside a single letter
        ("F-16A/B", ["F-16A/B"]),
        ("F/A-18", ["F/A-18"]),
        ("colt's foot", ["colt's foot"]),
        ("end / de-restriction", ["end / de-restriction"]),
        ("McLaren", ["McLaren"]),
        ("狗", ["狗"]),
        ("_", ["_"]),
        ("R&amp;B", ["R&B"]),
        ("cafe\u0301", ["caf\u00e9"]),
    ],
)
def test_excerpts_of_published_lists(given, names):
    assert one(given) == names


def test_names_that_two_classes_would_have_are_removed():
    assert normalize_names(["Audi S4 Sedan 2007", "Audi S4 Sedan 2012", "missile, rocket"]) == {
        "Audi S4 Sedan 2007": ["2007 Audi S4 Sedan", "2007 Audi S4"],
        "Audi S4 Sedan 2012": ["2012 Audi S4 Sedan", "2012 Audi S4"],
        "missile, rocket": ["missile", "rocket"],
    }


def test_a_class_that_loses_all_names_keeps_its_text():
    names = normalize_names(["bow_(weapon)", "bow_(ribbons)", "missile", "projectile, missile"])
    assert list(names.values()) == [
        ["bow (weapon)"],
        ["bow (ribbons)"],
        ["missile"],
        ["projectile"],
    ]


@pytest.mark.parametrize(
    ("names", "error", "message"),
    [
        (["cat", "cat"], ValueError, "class_names holds duplicates: 'cat'"),
        ([1, 2], TypeError, "class_names must be strings, got 1, 2"),
        ("cat", ValueError, "single string 'cat'"),
        ([" "], ValueError, "blank"),
    ],
)
def test_bad_lists_are_refused(names, error, message):
    with pytest.raises(error, match=message):
        normalize_names(names)


pieces = st.sampled_from(
    ["cat", "Audi", "S5", "2012", "Coupe", ",", ", ", "_", "/", " or ", "(a)", " ", "001.", "&amp;"]
)
lists = st.lists(
    st.lists(pieces, min_size=1, max_size=6).map("".join), min_size=1, max_size=6, unique=True
).filter(lambda names: all(map(str.strip, names)))


@given(lists)
def test_every_class_has_a_name_that_no_other_has_or_its_own_text(class_names):
    names = normalize_names(class_names)
    assert list(names) == class_names
    assert all(found and all(map(str.strip, found)) for found in names.values())
    several = [name for found in names.values() if len(found) > 1 for name in found]
    assert len(set(several)) == len(several)


@given(lists, st.randoms())
def test_the_order_of_classes_does_not_matter(class_names, random):
    shuffled = random.sample(class_names, len(class_names))
    assert normalize_names(shuffled) == normalize_names(class_names)


def test_names_are_synonyms_of_recall_and_prompts():
    given = ["tench, Tinca tinca", "car_side"]
    names = normalize_names(given)
    retriever = CaptionRetriever(synonyms=names).fit(["a tench", "the car side", "Tinca Tinca"])
    assert retriever.recall(given).labels.tolist() == [given[0], given[0], given[1]]
    prompts = build_prompts(given, synonyms=names)
    assert prompts[given[0]][1:] == ["a photo of a tench.", "a photo of a Tinca tinca."]
